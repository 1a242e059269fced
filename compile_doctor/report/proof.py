"""The conditions of HEALTHY. It states that nothing bad happened, and a run that lost its evidence looks the same.

`lost` names evidence that is missing. `lacking` is everything that keeps a run without bad findings from being HEALTHY:
a report is HEALTHY only if `lacking` is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compile_doctor.analysis.reconcile import shortfalls
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.tolerances import judge

PHASES = {
    "import": ("while the target was being imported", "the import of the target"),
    "build": ("while the model was being built", "building the model"),
    "inputs": ("while the inputs were being made", "making the inputs"),
    "compiled": ("during the compiled run", "the compiled run"),
    "eager": ("during the eager control run", "the eager control run"),
    "numerics": ("during the comparison of --numerics", "the comparison of --numerics"),
}
"""Each phase in words: during it, and its name."""


def lost(evidence: Evidence) -> tuple[str, ...]:
    """Evidence that was or should have been written, and is missing; one sentence each, without its full stop."""
    return tuple(dict.fromkeys(_lost(evidence)))


def left_early(evidence: Evidence) -> str:
    """The phase in which the process exited early, as with `os._exit`, as a sentence; empty if it did not."""
    own = [child for child in evidence.children if child.mode in ("diagnose", "control")]
    for name, state in evidence.phases.items():
        if state == "begun" and own and _ended_by_itself(own):
            code = own[-1].exit_code
            return (
                f"the process exited {PHASES[name][0]}, with exit status {code}, "
                "as by `os._exit`: nothing after that was observed"
            )
    return ""


def _lost(evidence: Evidence) -> Iterator[str]:
    yield from (f"the capture: {text}" for text in evidence.damage)
    yield from (f"a record could not be read: {text}" for text in evidence.lost)
    if not evidence.children:
        if not evidence.damage:
            yield "this is only torch's trace, without compile-doctor's probe: it is unknown whether the run finished"
        return
    early = left_early(evidence)
    if early:
        yield early
    elif _ended_by_itself(evidence.children):
        yield from (f"{process}: its evidence may be incomplete" for process in evidence.unended)
    yield from shortfalls(evidence)
    if evidence.facts.restrained:
        yield f"torch.compile was restricted: {evidence.facts.restrained}, and what ran eagerly leaves no trace"
    alone = evidence.facts.nothing_new and not evidence.facts.as_is and evidence.phases.get("compiled") != "failed"
    if alone and any(one.graphs for one in evidence.compilations):
        yield "no graph was compiled in the compiled run: all graphs were made while the target was imported or built"


def _ended_by_itself(children: Iterable[Child]) -> bool:
    """Whether all exited: a process that crashed or was stopped has its own finding or reason."""
    return all(child.ended == "exited" for child in children)


def lacking(evidence: Evidence, peaks: Iterable[int | None], without_control: bool = False) -> tuple[str, ...]:
    """Why nothing is proven, one sentence each; empty for a run that finished with all its evidence.

    `peaks`: bytes that attention used, as the report shows them; None if that was not measured. `without_control`: eager
    attention refuses these inputs, and the report says so.
    """
    unfinished = [*filter(None, [left_early(evidence)]), *_open(evidence, without_control)]
    graphless = [] if unfinished else [*_graphless(evidence)]
    return tuple(dict.fromkeys([*lost(evidence), *unfinished, *graphless, *_unproven(evidence, peaks)]))


def _open(evidence: Evidence, without_control: bool) -> Iterator[str]:
    """Phases that should have finished and did not. Not for a size of the ladder that has no run of its own."""
    if not any(child.mode in ("diagnose", "control") for child in evidence.children) or left_early(evidence):
        return
    wanted = ["import", "build", "inputs", "compiled", "eager"]
    wanted += ["numerics"] if evidence.asked.settings.numerics else []
    for name in wanted:
        # `refused`: dense eager attention would not have fitted into memory; the report states that nothing was compared
        excused = "refused", *(["failed"] if without_control else [])
        if evidence.phases.get(name) != "done" and not (name == "eager" and evidence.phases.get(name) in excused):
            begun = (
                evidence.phases.get(name) or evidence.earlier is None
            )  # the starts of `coldstart` have no control run
            yield f"{PHASES[name][1]} {'did not finish' if begun else 'was not made'}"
            break  # the later phases are missing too
    if evidence.asked.recipes and not evidence.facts.patches_seen:
        yield "it is unknown whether the requested recipes were applied"


def _graphless(evidence: Evidence) -> Iterator[str]:
    if not any(one.graphs for one in evidence.compilations):
        yield "no graph was compiled"


def _unproven(evidence: Evidence, peaks: Iterable[int | None]) -> Iterator[str]:
    raised = evidence.failure("compiled") if any(child.mode == "test" for child in evidence.children) else None
    if raised:
        kind = raised.chain[0].type if raised.chain else "an exception"
        yield f"the block raised {kind}: the rest of it did not run"
    results = [one for one in evidence.comparisons if (one.case, one.direction) == ("compiled-vs-eager", "forward")]
    if results and not any(one.rows for one in results):
        why = next((one.reason for one in results if one.reason), "no tensor to compare")
        yield f"--numerics compared none of the outputs: {why}"
    failed = sum(judge(one) == "FAIL" for one in evidence.comparisons)
    if failed:
        yield f"{failed} comparison{'s' * (failed != 1)} of --numerics failed"
    if any(peak is not None and peak <= 0 for peak in peaks):
        yield "the measured memory of attention is 0 bytes, which cannot be right"
