"""What would make a start shorter: with its gain, measured if that start was made, else estimated from the cold one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from compile_doctor.coldstart.result import Advice
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence

FEW = 3
"""Blocks from which compiling one for all is worth a change of the program."""
WORTH = 0.5
"""Seconds of gain below which nothing is advised."""
_SIZE = re.compile(r"size mismatch at index|\.size\(\)\[\d+\]")


def advice(found: Mapping[str, Evidence]) -> Iterator[Advice]:
    """The advice for a cold start and the starts that were made beside it."""
    cold = found["cold"]
    yield from _shared_cache(cold, found.get("warm"))
    yield from _regional(cold, found.get("regional"))
    yield from _dynamic(cold, found.get("dynamic"))


def compiling(evidence: Evidence) -> float:
    """Seconds of all compilations, with their backward passes."""
    return sum(_seconds(one) for one in evidence.compilations)


def _seconds(one: Compilation) -> float:
    return one.timing.duration / 1e6 if one.timing else one.seconds or 0.0


def _shared_cache(cold: Evidence, warm: Evidence | None) -> Iterator[Advice]:
    if warm is None:
        return
    gain = compiling(cold) - compiling(warm)
    if gain >= WORTH:
        yield Advice(
            "shared-cache",
            "Keep torch's cache for new machines and containers: set TORCHINDUCTOR_CACHE_DIR to a folder that they "
            "share or that is in the image; or save it with torch.compiler.save_cache_artifacts() after a warm-up, "
            "and load it before the first call with torch.compiler.load_cache_artifacts(bytes).",
            gain,
            True,
            "compile time of the cold start without that of the warm start",
        )


def _regional(cold: Evidence, tried: Evidence | None) -> Iterator[Advice]:
    whole = [one for one in cold.compilations if one.traced and one.traced.blocks >= FEW]
    if not whole:
        return
    blocks = max(one.traced.blocks for one in whole if one.traced)
    estimate = sum(_seconds(one) * (1 - 1 / one.traced.blocks) for one in whole if one.traced)
    gain, measured = _gain(cold, tried, estimate)
    if gain is None or gain >= WORTH or measured:
        yield Advice(
            "regional",
            f"Compile one block for all: the graph has {blocks} blocks whose parameters are alike. Instead of the "
            "model, compile each:  for block in model.layers: block.compile()  – torch compiles the first, and uses "
            "its code for the others if no guard differs. Operators are then not fused across blocks.",
            gain,
            measured,
            "compile time with the blocks compiled by themselves, in an empty cache"
            if measured
            else f"the share of {blocks - 1} of {blocks} blocks in the graph's compile time; the best case",
        )


def _dynamic(cold: Evidence, tried: Evidence | None) -> Iterator[Advice]:
    by_frame: dict[tuple[str, int], list[Compilation]] = defaultdict(list)
    for one in cold.compilations:
        by_frame[one.process, one.frame_id].append(one)
    sized = [
        ones
        for ones in by_frame.values()
        if any(_SIZE.search(reason) for one in ones for reason in one.recompile_reasons[:1])
    ]
    if not sized or cold.asked.settings.dynamic is not None:
        return
    estimate = sum(sum(map(_seconds, ones)) - max(map(_seconds, ones)) for ones in sized)
    gain, measured = _gain(cold, tried, estimate)
    if gain is None or gain >= WORTH or measured:
        yield Advice(
            "dynamic",
            "Compile for all sizes at once with torch.compile(…, dynamic=True): frames were compiled again because a "
            "size changed. If only one dimension varies, torch._dynamo.mark_dynamic(tensor, dim) leaves the others fixed.",
            gain,
            measured,
            "compile time with dynamic=True, in an empty cache"
            if measured
            else "compile time of the recompilations for sizes, all but the longest of each frame",
        )


def _gain(cold: Evidence, tried: Evidence | None, estimate: float) -> tuple[float | None, bool]:
    """The measured gain if the start was made, which may be negative, else the estimate."""
    if tried is None:
        return estimate, False
    if tried.phases.get("compiled") != "done":
        return None, False
    return compiling(cold) - compiling(tried), True
