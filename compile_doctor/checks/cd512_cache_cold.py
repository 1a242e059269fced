"""CD512: the second start compiles a graph again although nothing that torch shows of its key has changed."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.starts import Asked, uncached
from compile_doctor.checks.base import Check
from compile_doctor.checks.cold_start_values import CACHES, covered, lines_of, place_of, values
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding

_SWITCHES = ("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "TORCHINDUCTOR_FX_GRAPH_CACHE", "TORCHINDUCTOR_AUTOGRAD_CACHE")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    if seen.evidence.before:  # two runs: what one missed in its own cache says nothing about the other's
        yield from _other_processor(seen)
        return
    if seen.evidence.earlier is None:
        return
    off = list(uncached(seen.evidence))
    if off:
        place = place_of(seen, off[0])
        yield CHECK.finding(
            "torch's cache on disk is off",
            f"No cache was asked for {len(off)} of {sum(one.graphs for one in seen.evidence.compilations)} graphs, so each new process "
            "compiles them again.",
            cause="caches-off",
            fix="Remove what switches the cache off: TORCHINDUCTOR_FORCE_DISABLE_CACHES=1, TORCHINDUCTOR_FX_GRAPH_CACHE=0, or "
            "force_disable_caches and fx_graph_cache in torch._inductor.config or in the options of torch.compile.",
            location=place,
            owner=seen.owner(place.file),
            count=len(off),
            evidence=tuple(_switches(seen.evidence)),
        )
    missed = [
        one for one in seen.asked_again if one.answer.answer == "miss" and not one.changed and not covered(seen, one)
    ]
    for (place, why), ones in lines_of(seen, missed, _why):
        named = " and ".join(sorted({CACHES[one.answer.cache] for one in ones}))
        words, fix = _WORDS[why]
        yield CHECK.finding(
            f"compiled again in the warm start: {place.function}",
            f"{named} did not have this graph. {words}",
            cause=why,
            fix=fix,
            **values(seen, place, ones),
            evidence=tuple(
                f"{CACHES[one.answer.cache]}: key {one.answer.key or 'unknown'}, in the cold start "
                f"{(one.before.key if one.before else '') or 'none'}"
                for one in ones[:4]
            ),
        )


def _other_processor(seen: AnalysisContext) -> Iterator[Finding]:
    """Equal keys on unlike processors: torch takes code that was written for vectors of another length."""
    earlier = seen.evidence.earlier
    before, now = ((one.environment if one else {}).get("processor") for one in (earlier, seen.evidence))
    same = [one for one in seen.asked_again if one.before and one.answer.key and one.answer.key == one.before.key]
    if not before or not now or before == now or not same or seen.evidence.environment.get("device") != "cpu":
        return
    place = place_of(seen, same[0].compilation)
    yield CHECK.finding(
        "the cache is of another kind of processor, and its keys are equal",
        f"The cache of {seen.evidence.before} was filled with {before}, and this run has {now}. torch's key of a graph has no kind of "
        "processor in it, so this run takes code that was written for the other one. Its results can be wrong.",
        cause="other-processor",
        fix="Keep one cache for each kind of processor: another TORCHINDUCTOR_CACHE_DIR. `diagnose` compares the results with eager mode.",
        location=place,
        owner=seen.owner(place.file),
        count=len(same),
        evidence=(
            f"{len(same)} equal keys; processor: {before} in the earlier run, {now} in this one",
            "on torch 2.13.0 a cache that was filled with AVX512 gave wrong results with AVX2 (ATEN_CPU_CAPABILITY=avx2)",
        ),
    )


def _why(one: Asked) -> str:
    if one.before is None:
        return "other-graph"
    if one.before.answer == "bypass":
        return "was-bypassed"
    return "not-stored" if one.answer.key and one.answer.key == one.before.key else "unknown-part"


_WORDS = {
    "other-graph": (
        "The cold start did not compile it: the two processes did different things.",
        "Look for what differs between two runs of the program: sizes, the order of calls, what was measured on the machine.",
    ),
    "was-bypassed": (
        "The cold start could not store it, because the cache was bypassed there.",
        "Look for what differs between two runs of the program.",
    ),
    "not-stored": (
        "Its key is the same in both starts: the cold start did not store it, or what it stored could not be used.",
        "Check that the folder of the cache can be written and is not full. TORCH_LOGS=+inductor shows what torch says about it.",
    ),
    "unknown-part": (
        "Its key differs from that of the cold start, and torch does not write of what that key is made.",
        "Look for a value that changes from run to run and that the graph contains: a time, a random number, a path, a process id.",
    ),
}


def _switches(evidence: Evidence) -> Iterator[str]:
    yield "the trace has generated code, and no answer of a cache"
    for name in _SWITCHES:
        if evidence.environment.get(name) is not None:
            yield f"{name}={evidence.environment[name]}"


CHECK = Check(
    code="CD512",
    name="cache-cold",
    severity="warning",
    category="cold-start",
    compares_starts=True,
    summary="`coldstart`: the second start compiles a graph again, although the first one used the same cache.",
    explanation="""\
`coldstart` runs the target twice in new processes with the same folder for torch's caches. What the first start compiled, the second one
should load. If it does not, and no part of the key changed that torch shows (else it is CD513), the cache is off, the second process
compiled another graph, or the first one could not store it.
`report --before` reports with this code a cache of another kind of processor whose keys are equal: torch 2.13.0 was seen to take code for
AVX512 with AVX2, and the results were wrong.
""",
    detect=detect,
)
