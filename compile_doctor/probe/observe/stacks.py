"""Python stacks as the user knows them, and what functions on them are called."""

from __future__ import annotations

import re
from types import CodeType, FrameType
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.model.stacks import Frame
from compile_doctor.probe import compat
from compile_doctor.probe.observe.failures import ours

_DEEPEST = 200
_PLUMBING = re.compile(
    r"[/\\]torch[/\\](?:_dynamo|fx|_functorch|_higher_order_ops|_ops\.py|_compile\.py|utils|nn[/\\]modules[/\\]module\.py)"
)


def python_stack(frame: FrameType | None) -> tuple[list[Frame], list[schema.WrapperSeen]]:
    """(the Python stack, outermost first, without torch's call plumbing; the disable wrappers in it).

    Dynamo itself disables each graph's compiled function; these, which appear as `graph` of attention.py, do not count.
    """
    found: list[Frame] = []
    wrappers: list[schema.WrapperSeen] = []
    while frame is not None and len(found) < _DEEPEST:
        code = frame.f_code
        if not ours(code.co_filename) and not _PLUMBING.search(code.co_filename):
            found.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        elif code.co_name == "_fn" and code.co_filename.endswith("eval_frame.py"):
            function = compat.disabled_function(frame.f_locals)
            if function is not None and not ours(file_of(function)):
                wrappers.append({"function": name_of(function), "module": module_of(function), "recursive": True})
        elif code.co_name == "nonrecursive_disable_wrapper":
            function = frame.f_locals.get("fn")
            wrappers.append({"function": name_of(function), "module": module_of(function), "recursive": False})
        frame = frame.f_back
    return found[::-1], wrappers[::-1]


def file_of(function: Any) -> str:
    return str(getattr(getattr(function, "__code__", None), "co_filename", ""))


def code_of(function: Any) -> CodeType | None:
    target = getattr(function, "forward", function)
    return getattr(getattr(target, "__func__", target), "__code__", None)


def name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def module_of(function: Any) -> str:
    return str(getattr(function, "__module__", type(function).__module__))


def of_torch(file: str) -> bool:
    return "/torch/" in file.replace("\\", "/") and "site-packages" in file
