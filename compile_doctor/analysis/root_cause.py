"""Reduces a chain of compile errors to the one line that states the error, and its line in the user's code."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from dataclasses import dataclass

from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.source.locations import innermost_mine

_USER_STACK = re.compile(r"^(?:from user code:|User [Ss]tack(?: \(most recent call last\))?:)\s*$", re.MULTILINE)
"""What torch writes above the user's frames in a message: "User stack:" for what guards and symbolic sizes raise."""
_STACKS = re.compile(
    rf"{_USER_STACK.pattern}|^(?:Framework stack:|Traceback \(most recent call last\):)\s*$", re.MULTILINE
)
_USER_FRAME = re.compile(r'^[^\S\n]*File "(.+)", line (\d+), in (.+)$(?:\n[^\S\n]+(?!File ")(\S.*))?', re.MULTILINE)
_COMPILER_ERROR = re.compile(r"^.*?(?:fatal )?error:.*$", re.MULTILINE)
_INNER = re.compile(r"got (\w*(?:Error|Exception|Exit)\()")
_WRAPPERS = re.compile(
    r"^(?:Dynamo failed to run FX node with fake tensors: .*? got |backend='\w+' raised:\s*|LoweringException: |"
    r"(?:torch\.)?[\w.]*(?:InductorError|BackendCompilerFailed|InternalTorchDynamoError|LoweringException|TorchRuntimeError): )",
    re.DOTALL,
)
_REPR = re.compile(r"(?:\bgot |\A)(\w*(?:Error|Exception))\(((['\"]).*\3),?\)\s*\Z", re.DOTALL)
_HINT = re.compile(r"^[^\S\n]*Hint: (.+(?:\n {4,}\S.*)*)", re.MULTILINE)
_AROUND = re.compile(
    r"^[^\S\n]*(?:Hint: .*(?:\n {4,}\S.*)*|Developer debug context: .*|For more details about this graph break.*|"
    r"Set TORCHDYNAMO_VERBOSE.*|You can suppress this exception.*|import torch\._dynamo\s*|torch\._dynamo\.config\.suppress_errors = True|"
    r"Higher Order Operator: .*|For C\+\+ stack trace.*|For extended logs.*|If you suspect the guard was triggered from C\+\+.*|"
    r"For more debugging help.*|For more information, run with TORCH_LOGS.*)$"
    r"| ?For more information, run with TORCH_LOGS=\S+| ?\(generated with TORCHDYNAMO_\w+\)",
    re.MULTILINE,
)
"""What torch writes around a message: hints, which have a place of their own, and how to log more."""
LONGEST = 1_000
"""Characters of a message in the report."""
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
    words: str
    """The whole message in one line, without stacks, hints and advice on logging; for a compiler, its first error line."""
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
    words = whole(link.message)
    if compiler:
        message = words = compiler[0].strip()
    return RootCause(kind, message, words, user_frame(failure, torch_root))


def whole(message: str) -> str:
    """A message of torch's in one line: all that states the error, and nothing that torch writes around every error."""
    text = _AROUND.sub("", _unwrapped(_STACKS.split(message, maxsplit=1)[0])).strip()
    named = _REPR.search(text)
    if named:  # a call that failed, and the exception as `repr` writes it
        with suppress(ValueError, SyntaxError):
            text = f"{named[1]}: {ast.literal_eval(named[2])}"
    return _cut(" ".join(line.strip() for line in text.splitlines() if line.strip()))


def hints(message: str) -> tuple[str, ...]:
    """torch's own hints in a message."""
    return tuple(" ".join(found.split()) for found in _HINT.findall(message))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition(" ")[0] + " …"


def _unwrapped(text: str) -> str:
    previous, text = None, text.strip()
    while previous != text:
        previous, text = text, _WRAPPERS.sub("", text, count=1).strip()
    return text


def _plain(message: str) -> str:
    text = _unwrapped(message.split("\n\nfrom user code:", 1)[0])
    inner = _INNER.search(text)
    end = text.rfind(")") + 1
    inside = text[inner.start(1) : end] if inner and end > inner.end() else text
    lines = [line.strip() for line in inside.splitlines() if line.strip()]
    return lines[0][:400] if lines else "(no message)"


def traced_stack(link: ErrorLink) -> tuple[Frame, ...]:
    """The user's frames that torch was tracing, as the message names them, outermost first."""
    _, *user = _USER_STACK.split(link.message)
    frames = _USER_FRAME.finditer("\n".join(user))
    return tuple(Frame(m[1], int(m[2]), m[3].strip(), (m[4] or "").strip()) for m in frames)


def user_frame(failure: Failure, torch_root: str | None = None) -> Frame | None:
    """The user's innermost line that was being traced, else their innermost line that was running; None without one."""
    for link in reversed(failure.chain):
        stack = traced_stack(link)
        if stack:
            return innermost_mine(stack, torch_root) or stack[-1]
    for link in failure.chain:
        frame = innermost_mine(link.stack, torch_root)
        if frame:
            return frame
    return None
