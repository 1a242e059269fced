"""Reduces a chain of compile errors to the one line that states the error, and its line in the user's code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.source.locations import innermost_mine

_USER_FRAME = re.compile(r'^[^\S\n]*File "(.+)", line (\d+), in (.+)\n(?:[^\S\n]+(?!File ")(\S.*))?', re.MULTILINE)
_COMPILER_ERROR = re.compile(r"^.*?(?:fatal )?error:.*$", re.MULTILINE)
_INNER = re.compile(r"got (\w*(?:Error|Exception|Exit)\()")
_WRAPPERS = re.compile(
    r"^(?:Dynamo failed to run FX node with fake tensors: .*? got |backend='\w+' raised:\s*|LoweringException: |"
    r"(?:torch\.)?[\w.]*(?:InductorError|BackendCompilerFailed|InternalTorchDynamoError|LoweringException|TorchRuntimeError): )",
    re.DOTALL,
)
COMPILE_ERRORS = re.compile(
    r"torch\._dynamo\.exc|torch\._inductor|torch\._functorch|torch\._subclasses|torch\.fx|BackendCompilerFailed|"
    r"InductorError|CppCompileError|triton"
)
"""Types that only a compiler raises: for programs without an eager run to compare with."""


@dataclass(frozen=True)
class RootCause:
    """The innermost error of a chain of exceptions."""

    type: str
    message: str
    """The first line that is not empty; for a C++ or Triton compiler, its first error line."""
    frame: Frame | None
    """The user's line that was being compiled, if torch or the traceback names one."""


def root_cause(failure: Failure, torch_root: str | None = None) -> RootCause:
    """The cause of a failure: the innermost exception, stripped of the wrappers that torch puts around it."""
    link = failure.chain[-1] if failure.chain else ErrorLink("Exception", failure.text.strip(), ())
    for candidate in failure.chain:
        if "CompileError" in candidate.type or "CompilationError" in candidate.type:
            link = candidate
    message, kind = _plain(link.message), link.type
    compiler = _COMPILER_ERROR.search(link.message) if "ompil" in link.type or "ompil" in link.message[:400] else None
    if compiler:
        message = compiler[0].strip()
    return RootCause(kind, message, user_frame(failure, torch_root))


def _plain(message: str) -> str:
    text = message.split("\n\nfrom user code:", 1)[0].strip()
    previous = None
    while previous != text:
        previous, text = text, _WRAPPERS.sub("", text, count=1).strip()
    inner = _INNER.search(text)
    end = text.rfind(")") + 1
    inside = text[inner.start(1) : end] if inner and end > inner.end() else text
    lines = [line.strip() for line in inside.splitlines() if line.strip()]
    return lines[0][:400] if lines else "(no message)"


def user_frame(failure: Failure, torch_root: str | None = None) -> Frame | None:
    """The user's innermost line that was being traced, else their innermost line that was running; None without one."""
    for link in reversed(failure.chain):
        _, found, user = link.message.partition("from user code:")
        frames = [Frame(m[1], int(m[2]), m[3].strip(), (m[4] or "").strip()) for m in _USER_FRAME.finditer(user)]
        if found and frames:
            return innermost_mine(frames, torch_root) or frames[-1]
    for link in failure.chain:
        frame = innermost_mine(link.stack, torch_root)
        if frame:
            return frame
    return None
