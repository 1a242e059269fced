"""What the capture does not contain: a part of the report without evidence is "not recorded", not "nothing happened"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compile_doctor.model.evidence import Evidence

PARTS = ("timeline", "calls", "guards", "graphs", "attention", "sources")
"""What may be missing by itself."""
AGAIN = "record again with this version of compile-doctor"
PROBE = "this is only torch's trace: record with `compile-doctor run` or `diagnose --capture`"


def not_recorded(found: Iterable[Evidence]) -> dict[str, str]:
    """By part, why it is empty and what to do: of one evidence for each group of ranks. Empty if all was recorded."""
    missing: dict[str, str] = {}
    for one in found:
        for part, why in _parts(one):
            missing.setdefault(part, why)
    return missing


def _parts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    probed = bool(evidence.children)
    compiled = evidence.compilations
    if compiled and not any(one.timing for one in compiled):
        yield "timeline", f"torch's timed events are not in the capture: {AGAIN}"
    elif _called(evidence) and not evidence.calls:
        yield "calls", f"when the target was called is not in the capture: {AGAIN}"
    if any(one.guarded for one in compiled) and not evidence.guards:
        yield "guards", f"guards were not timed: {AGAIN if probed else PROBE}"
    if any(one.graphs for one in compiled) and not any(one.graph_text or one.code_texts for one in compiled):
        yield "graphs", f"the text of the graphs and their code is not in the capture: {AGAIN}"
    if compiled and not probed:
        yield "attention", f"which attention ran, and with how much memory, is not known: {PROBE}"
    if compiled and not evidence.sources:
        yield "sources", f"the text of the source files is not in the capture: {AGAIN if probed else PROBE}"


def _called(evidence: Evidence) -> bool:
    """Whether the probe called the target itself."""
    done = [evidence.phases.get(name) for name in ("compiled", "eager")]
    return "done" in done and any(one.mode in ("diagnose", "control") for one in evidence.children)
