"""What would make a start shorter: with its gain, measured if that start was made, else estimated from the cold one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from compile_doctor.coldstart.result import Advice, Spread
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence

FEW = 3
"""Blocks from which compiling one for all is worth a change of the program."""
WORTH = 0.5
"""Seconds of gain below which nothing is advised."""
_SIZE = re.compile(r"size mismatch at index|\.size\(\)\[\d+\]")


Starts = Sequence[Evidence]
"""Starts that were made alike."""


def advice(found: Mapping[str, Starts]) -> Iterator[Advice]:
    """The advice for cold starts and the starts that were made beside them."""
    cold = found["cold"]
    yield from _shared_cache(cold, found.get("warm"))
    yield from _regional(cold, found.get("regional"))
    yield from _dynamic(cold, found.get("dynamic"))


def compiling(evidence: Evidence) -> float:
    """Seconds of all compilations, with their backward passes."""
    return sum(_seconds(one) for one in evidence.compilations)


def _seconds(one: Compilation) -> float:
    return one.timing.duration / 1e6 if one.timing else one.seconds or 0.0


def ran(evidence: Evidence) -> bool:
    return evidence.phases.get("compiled") == "done"


def _tracing(one: Compilation) -> float:
    """Seconds without those for kernels, which may not grow with the number of equal blocks."""
    if one.timing is None:
        return 0.0
    return sum(spent for phase, spent in one.timing.phases if phase not in ("kernels", "autotuning")) / 1e6


def _shared_cache(cold: Starts, warm: Starts | None) -> Iterator[Advice]:
    if warm is None:
        return
    gain, spread, made = _difference(cold, warm)
    if gain is not None and gain >= WORTH:
        yield Advice(
            "shared-cache",
            "Keep torch's cache for new machines and containers: set TORCHINDUCTOR_CACHE_DIR to a folder that they "
            "share or that is in the image; or save it with torch.compiler.save_cache_artifacts() after a warm-up, "
            "and load it before the first call with torch.compiler.load_cache_artifacts(bytes). On CPU keep one for each kind "
            "of processor: torch's key does not have it, and code for another one can give wrong results.",
            gain,
            True,
            "compile time of the cold start without that of the warm start",
            spread,
            made,
        )


def _regional(starts: Starts, tried: Starts | None) -> Iterator[Advice]:
    cold = typical(starts)
    whole = [one for one in cold.compilations if one.traced and one.traced.blocks >= FEW]
    if not whole:
        return
    blocks = max(one.traced.blocks for one in whole if one.traced)
    least, most = (
        sum(spent(one) * (1 - 1 / one.traced.blocks) for one in whole if one.traced) for spent in (_tracing, _seconds)
    )
    estimate = least
    gain, measured, spread, made = _gain(starts, tried, estimate)
    if gain is None or most >= WORTH or measured:
        yield Advice(
            "regional",
            f"Compile one block for all: the graph has {blocks} blocks whose parameters are alike. Instead of the "
            "model, compile each:  for block in model.layers: block.compile()  – torch compiles the first, and uses "
            "its code for the others if no guard differs. Operators are then not fused across blocks.",
            gain,
            measured,
            "compile time with the blocks compiled by themselves, in an empty cache"
            if measured
            else f"the share of {blocks - 1} of {blocks} blocks in the time without kernels, and in that with them: a graph "
            "compiles equal kernels once, so theirs may be small",
            spread if measured or tried is not None else Spread(least, most),
            made,
        )


def _dynamic(starts: Starts, tried: Starts | None) -> Iterator[Advice]:
    cold = typical(starts)
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
    gain, measured, spread, made = _gain(starts, tried, estimate)
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
            spread,
            made,
        )


def typical(starts: Starts) -> Evidence:
    """The one whose compile time is the median, or the one before it; of those that ran to their end, if any did."""
    ordered = sorted([one for one in starts if ran(one)] or starts, key=compiling)
    return ordered[(len(ordered) - 1) // 2]


def _gain(cold: Starts, tried: Starts | None, estimate: float) -> tuple[float | None, bool, Spread | None, int]:
    """The measured gain if the start was made, which may be negative, else the estimate."""
    if tried is None:
        return estimate, False, None, 0
    gain, spread, made = _difference(cold, tried)
    return gain, gain is not None, spread, made


def _difference(cold: Starts, other: Starts) -> tuple[float | None, Spread | None, int]:
    """How much less the other start compiles, the least and the most by what was measured, and how often each was made."""
    long, short = ([compiling(one) for one in starts if ran(one)] for starts in (cold, other))
    if not long or not short:
        return None, None, 0
    made = min(len(long), len(short))
    spread = Spread(min(long) - max(short), max(long) - min(short)) if made > 1 else None
    return median(long) - median(short), spread, made
