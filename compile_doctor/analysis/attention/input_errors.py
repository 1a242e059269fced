"""Recognises the exceptions with which attention refuses its inputs or its context: each has its own check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.root_cause import user_frame
from compile_doctor.model.attention import AttentionNode, Tensor
from compile_doctor.model.evidence import Evidence, Failure
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

_CONTEXT = re.compile(r"is used with a context manager")
_MODE = re.compile(r"no rule registered for \w+ flex_attention and mode <(?:class ')?([\w.<>]+?)(?:'>| object)")
_SUBCLASS = re.compile(
    r"no rule registered for \w+ (?:flex_attention|(?=\S*scaled_dot_product)\S+) and subclass <class '([\w.<>]+)'>"
)
_MIXED = re.compile(
    r"Expected query, key, and value to have the same dtype|Mixed query, key, and value dtype is not supported"
)
_FLOAT8 = re.compile(r"Float8_e\w+|float8_e\w+")
_UNNAMED_MODE = re.compile(
    r"no implementation found for 'torch\.ops\.higher_order\.flex_attention'|non-infra torch dispatch mode present"
)


@dataclass(frozen=True)
class Refusal:
    """One exception that attention, or the code around it, raised."""

    check: str
    """The name of the check that reports it."""
    phase: str
    message: str
    frame: Frame | None
    """The user's line."""
    subject: str = ""
    """The dispatch mode or the tensor class that torch names."""
    inputs: tuple[Tensor | None, ...] = ()
    node: AttentionNode | None = None
    """The call in the graph that failed to compile, if there is a graph."""


def explain(evidence: Evidence, failure: Failure | None, torch_root: str | None) -> Refusal | None:
    """The refusal that caused a failure of the compiled run, or of the eager control run; None for another cause."""
    if failure is None:
        return None
    node = _node(evidence) if failure.phase == "compiled" else None
    eager = evidence.failure("eager")
    inputs = node.inputs if node else failure.attention or (eager.attention if eager else ())
    for check, message, subject in _candidates(failure, inputs):
        frame = (
            _frame(failure, node, torch_root)
            if check != "disable-as-context-manager"
            else user_frame(failure, torch_root)
        )
        return Refusal(check, failure.phase, message, frame, subject, inputs, node)
    return None


def _candidates(failure: Failure, inputs: tuple[Tensor | None, ...]) -> Iterator[tuple[str, str, str]]:
    for link in reversed(failure.chain):
        message = link.message.strip()
        first = message.split("\n", 1)[0][:300]
        if link.type.endswith("DenseRefusedError"):
            yield "flex-dense-fallback", first, ""
        if _CONTEXT.search(message) and "torch._dynamo" in message:
            yield "disable-as-context-manager", first, ""
        if found := _MODE.search(message):
            yield "flex-under-dispatch-mode", first, found[1]
        if _UNNAMED_MODE.search(message) and "flex_attention" in message:
            yield "flex-under-dispatch-mode", first, ""
        if found := _SUBCLASS.search(message):
            yield "float8-subclass-in-attention", first, found[1]
        if _MIXED.search(message):
            yield ("raw-float8-in-attention" if _raw_float8(inputs) else "mixed-dtypes-in-attention"), first, ""
    attention = bool(inputs) or "flex_attention" in failure.text or "scaled_dot_product_attention" in failure.text
    known = any(one is not None for one in inputs)
    if failure.chain and attention and (_raw_float8(inputs) if known else _FLOAT8.search(failure.text)):
        last = failure.chain[-1].message.strip().split("\n", 1)[0][:300]
        yield "raw-float8-in-attention", last, ""


def _raw_float8(inputs: tuple[Tensor | None, ...]) -> bool:
    return any(one is not None and one.dtype.startswith("float8") and is_plain(one) for one in inputs)


def is_plain(tensor: Tensor) -> bool:
    """Whether it is torch's own class."""
    return tensor.type in ("Tensor", "Parameter", "FakeTensor", "FunctionalTensor", "Buffer")


def _node(evidence: Evidence) -> AttentionNode | None:
    """The attention call of the graph that failed to compile: the first with mixed dtypes or raw float8, else the first."""
    for compilation in reversed(evidence.compilations):
        if compilation.graph and compilation.guarded is not True and compilation.graph.attention:
            nodes = compilation.graph.attention
            odd = (node for node in nodes if len({t.dtype for t in node.inputs if t}) > 1 or _raw_float8(node.inputs))
            return next(odd, nodes[0])
    return None


def _frame(failure: Failure, node: AttentionNode | None, torch_root: str | None) -> Frame | None:
    if node is not None:
        return place(node.stack, torch_root)
    for link in reversed(failure.chain):
        found = place(link.stack, torch_root)
        if found is not None and not locations.is_plumbing(found.file):
            return Frame(found.file, found.line, function_name(found.function), found.code)
    return user_frame(failure, torch_root)
