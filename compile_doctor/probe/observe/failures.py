"""Describes an exception as data: its chain, the frames of each link, and the traceback without the doctor's frames."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

LONGEST = 20_000
"""Characters of one message: a C++ compiler prints its whole command and file."""


def describe(error: BaseException) -> dict[str, Any]:
    """The chain from the exception that was raised down to its first cause."""
    chain = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        kind = type(link)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        chain.append({"type": name, "message": _message(link), "stack": _frames(link)})
        inner = getattr(link, "inner_exception", None)  # where BackendCompilerFailed and InductorError have it
        cause = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        link = inner if isinstance(inner, BaseException) else cause
    return {"chain": chain, "text": _trimmed(error), "attention": _attention(error)}


def _attention(error: BaseException) -> dict[str, Any] | None:
    """Query, key and value of the flex_attention call that raised, from the traceback's frames; None without one."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        local = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_name == "flex_attention" and "query" in local and "key" in local:
            found = local
        trace = trace.tb_next
    if found is None:
        return None
    from compile_doctor.probe.observe.graphs import describe_tensor

    return {name: describe_tensor(found.get(name)) for name in ("query", "key", "value")}


def _message(error: BaseException) -> str:
    try:
        return str(error)[:LONGEST]
    except Exception as broken:  # the target's own __str__ may fail
        return f"(no message: {type(broken).__name__} in __str__)"


def _frames(error: BaseException) -> list[list[Any]]:
    return [
        [frame.filename, frame.lineno or 0, frame.name, frame.line or ""]
        for frame in traceback.extract_tb(error.__traceback__)
        if not ours(frame.filename)
    ]


def _trimmed(error: BaseException) -> str:
    """The traceback as Python prints it, beginning at the user's first frame."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not ours(frame.filename)]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames[-30:])] if frames else []
    try:
        lines += traceback.format_exception_only(type(error), error)
    except Exception:  # the target's own __str__ may fail
        lines.append(type(error).__name__ + "\n")
    return "".join(lines)[-LONGEST:]


_OWN = str(Path(__file__).resolve().parent.parent.parent.parent) + os.sep
_PARTS = tuple(
    _OWN + part
    for part in ("compile_doctor/probe/", "compile_doctor/recipes/patches/", "patches/", "compile_doctor/flex.py")
)
"""The probe, the code of recipes (in a wheel, and in a checkout), and `flex.isolated`."""


def ours(file: str) -> bool:
    """Whether a frame belongs to the doctor, not to code that the user wrote or calls."""
    return file.replace("\\", "/").startswith(_PARTS) or file.startswith("<frozen ")
