"""What HEALTHY rests on. It is the one verdict that says that nothing happened, and a run that lost its evidence looks alike.

`lost` names evidence that was there and is gone. `lacking` is all that keeps a run in which nothing bad was seen from being
HEALTHY: no report is, as long as one line of it is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compile_doctor.analysis.reconcile import shortfalls
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.tolerances import judge

PHASES = {
    "import": ("while the target was being imported", "the import of the target"),
    "build": ("while the model was being built", "the building of the model"),
    "inputs": ("while the inputs were being made", "the making of the inputs"),
    "compiled": ("during the compiled run", "the compiled run"),
    "eager": ("during the eager control run", "the eager control run"),
    "numerics": ("during the comparison of --numerics", "the comparison of --numerics"),
}
"""In words: while it goes on, and by its name."""


def lost(evidence: Evidence) -> tuple[str, ...]:
    """Evidence that was written, or should have been, and is not there; a sentence each, without its full stop."""
    return tuple(dict.fromkeys(_lost(evidence)))


def left_early(evidence: Evidence) -> str:
    """The phase in which the process left by itself, as with `os._exit`, in a sentence; empty if it did not."""
    own = [child for child in evidence.children if child.mode in ("diagnose", "control")]
    for name, state in evidence.phases.items():
        if state == "begun" and own and _ended_by_itself(own):
            code = own[-1].exit_code
            return f"the process left {PHASES[name][0]}, with exit status {code}, as `os._exit` does: nothing later was seen"
    return ""


def _lost(evidence: Evidence) -> Iterator[str]:
    yield from (f"the capture: {text}" for text in evidence.damage)
    yield from (f"a record could not be read: {text}" for text in evidence.lost)
    if not evidence.children:
        if not evidence.damage:
            yield "this is torch's trace alone: no probe watched the run, and nothing shows that it came to its end"
        return
    early = left_early(evidence)
    if early:
        yield early
    elif _ended_by_itself(evidence.children):
        yield from (f"{process}: what it did may not all be here" for process in evidence.unended)
    yield from shortfalls(evidence)
    if evidence.facts.restrained:
        yield f"torch.compile was held back: {evidence.facts.restrained}, and what ran eagerly for it leaves no trace"
    alone = evidence.facts.nothing_new and not evidence.facts.as_is and evidence.phases.get("compiled") != "failed"
    if alone and any(one.graphs for one in evidence.compilations):
        yield "no graph was compiled in the compiled run: the graphs that were seen were made while the target was imported or built"


def _ended_by_itself(children: Iterable[Child]) -> bool:
    """A process that crashed, or was stopped, has its own finding or reason."""
    return all(child.ended == "exited" for child in children)


def lacking(evidence: Evidence, peaks: Iterable[int | None]) -> tuple[str, ...]:
    """Why nothing is proven, a sentence each; empty for a run that came to its end with all its evidence.

    `peaks`: bytes that attention took, as the report shows them; None if it was not measured.
    """
    unfinished = [*filter(None, [left_early(evidence)]), *_open(evidence)]
    graphless = [] if unfinished else [*_graphless(evidence)]
    return tuple(dict.fromkeys([*lost(evidence), *unfinished, *graphless, *_unproven(evidence, peaks)]))


def _open(evidence: Evidence) -> Iterator[str]:
    """Phases that were to be and are not done. Without a control of its own, a size of the ladder has none."""
    if not any(child.mode in ("diagnose", "control") for child in evidence.children) or left_early(evidence):
        return
    wanted = ["import", "build", "inputs", "compiled", "eager"]
    wanted += ["numerics"] if evidence.asked.settings.numerics else []
    for name in wanted:
        # `refused`: dense eager attention would not have fitted into memory; the report says that nothing was compared.
        if evidence.phases.get(name) != "done" and not (name == "eager" and evidence.phases.get(name) == "refused"):
            yield f"{PHASES[name][1]} did not come to its end"
            break  # what would have come after it is missing too
    if evidence.asked.recipes and not evidence.facts.patches_seen:
        yield "what became of the recipes that were asked for is not known"


def _graphless(evidence: Evidence) -> Iterator[str]:
    if not any(one.graphs for one in evidence.compilations):
        yield "no graph was compiled"


def _unproven(evidence: Evidence, peaks: Iterable[int | None]) -> Iterator[str]:
    raised = evidence.failure("compiled") if any(child.mode == "test" for child in evidence.children) else None
    if raised:
        yield f"the block raised {raised.chain[0].type if raised.chain else 'an exception'}: what would have come after it was not seen"
    results = [one for one in evidence.comparisons if (one.case, one.direction) == ("compiled-vs-eager", "forward")]
    if results and not any(one.rows for one in results):
        why = next((one.reason for one in results if one.reason), "no tensor to compare")
        yield f"--numerics compared none of the outputs: {why}"
    failed = sum(judge(one) == "FAIL" for one in evidence.comparisons)
    if failed:
        yield f"{failed} comparison{'s' * (failed != 1)} of --numerics failed"
    if any(peak is not None and peak <= 0 for peak in peaks):
        yield "attention took 0 bytes: that is not a measurement"
