"""Calls of flex_attention whose BlockMask was made for another batch, or for other heads, than the query has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import place
from compile_doctor.model.attention import AttentionNode
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame


@dataclass(frozen=True)
class Misfit:
    """One such call in one graph."""

    frame: Frame
    stack: tuple[Frame, ...]
    compilation: Compilation
    node: AttentionNode
    query: tuple[int, ...]
    mask: tuple[int, ...]
    repeats: bool
    """Whether the mask's batch and heads divide the query's, so that a kernel repeats the mask, each in its own order."""
    begun: bool
    """Whether a call of the graph was seen to begin, and none to end."""


def misfits(evidence: Evidence) -> Iterator[Misfit]:
    """Each call of which it is known: a mask that a kernel can repeat is one only if its blocks differ."""
    root = evidence.environment.get("torch_root")
    for compilation in evidence.compilations:
        graph = compilation.graph
        for node in graph.attention if graph else ():
            query = node.inputs[0] if node.inputs else None
            if graph is None or query is None or len(node.mask) != 4 or len(query.shape) != 4:
                continue
            pairs = list(zip(node.mask[:2], query.shape[:2]))
            if min(*node.mask[:2], *query.shape[:2]) < 1 or all(own in (1, given) for own, given in pairs):
                continue
            repeats = all(given % own == 0 for own, given in pairs)
            key = compilation.process, graph.number, node.node
            if repeats and not evidence.attention.blocks.get(key, False):
                continue
            stack = node.stack
            if place(stack, root) is None:  # flex_attention was compiled by itself
                stack = (*graph.callers, *stack)
            frame = place(stack, root)
            if frame is not None:
                begun = key in evidence.attention.blocks and not evidence.attention.ran.get(key[:2])
                yield Misfit(frame, stack, compilation, node, query.shape, node.mask, repeats, begun)


_CRASHES = ("SIGFPE", "SIGSEGV", "SIGBUS", "SIGABRT")


def fatal(evidence: Evidence) -> Misfit | None:
    """The call that ended the process: a call of its graph began and did not end, and the signal is one of memory or arithmetic."""
    died = any(one.mode == "diagnose" and one.signal in _CRASHES for one in evidence.children)
    if not died or evidence.phases.get("compiled") != "begun":
        return None
    held = (one for one in misfits(evidence) if one.begun and not one.repeats and one.compilation.kernels)
    return next(held, None)
