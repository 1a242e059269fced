"""What the formats for `coldstart` say: the same words and figures for the terminal, for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from compile_doctor.analysis.compile_time import WORDS
from compile_doctor.coldstart.result import Advice, ColdStart, Spread, Started
from compile_doctor.model.findings import Finding
from compile_doctor.model.timeline import PHASES


def relative(found: ColdStart) -> ColdStart:
    """The same, with paths inside its working directory made relative to it."""
    prefix = found.cwd.rstrip("/") + "/"

    def short(path: str) -> str:
        return path[len(prefix) :] if len(prefix) > 1 and path.startswith(prefix) else path

    def move(one: Finding) -> Finding:
        return replace(one, location=replace(one.location, file=short(one.location.file)) if one.location else None)

    return replace(
        found,
        sources={short(path): text for path, text in found.sources.items()},
        findings=tuple(map(move, found.findings)),
        graphs=tuple(replace(one, frame=one.frame._replace(file=short(one.frame.file))) for one in found.graphs),
    )


def facts(found: ColdStart) -> list[str]:
    env = found.environment
    torch = f"torch {env['torch']}" if env.get("torch") else ""
    return [part for part in (found.target, torch, str(env.get("gpu") or env.get("device") or "")) if part]


def headline(found: ColdStart) -> tuple[str, str, str]:
    """The verdict, `good`, `bad` or `open`, and a sentence with the two figures."""
    if found.problem:
        return "inconclusive", "open", found.problem
    cold, warm = found.start("cold"), found.start("warm")
    assert cold is not None and warm is not None, "else there is a problem"
    sentence = f"The cold start compiles for {seconds(cold.compiling)}, the warm one for {seconds(warm.compiling)}."
    if not found.findings:
        return "cache used", "good", f"{sentence} The cache had {warm.hits} of {warm.hits + warm.misses} graphs."
    codes = ", ".join(dict.fromkeys(one.code for one in found.findings))
    return "cache missed", "bad", f"{sentence} Each new process compiles again what {codes} names."


def rows(starts: tuple[Started, ...]) -> Iterator[tuple[str, list[str]]]:
    made = max(one.made for one in starts)
    yield "first call", [seconds(one.first_call) for one in starts]
    if made > 1:
        yield f"   least to most of {made}", [spread(one.first_calls) for one in starts]
    yield "a later call", [seconds(one.later_call) for one in starts]
    yield "compiling, all calls", [seconds(one.compiling) for one in starts]
    if made > 1:
        yield f"   least to most of {made}", [spread(one.compilings) for one in starts]
    for phase in PHASES:
        if any(one.phases.get(phase, 0.0) >= 0.05 for one in starts):
            yield f"   {WORDS[phase]}", [seconds(one.phases.get(phase, 0.0)) if one.phases else "–" for one in starts]
    yield "graphs, recompilations", [f"{one.graphs}, {one.recompiles}" for one in starts]
    yield "cache: hits, misses", [f"{one.hits}, {one.misses}" for one in starts]
    if any(one.bypasses for one in starts):
        yield "cache: bypasses", [str(one.bypasses) for one in starts]


def helps(one: Advice) -> bool:
    """Whether the text of an advice is shown: not if its start was made, and was no quicker."""
    return one.gain is None or (one.gain >= 0 and one.measurable)


def gain(one: Advice) -> str:
    """`Saves 12.3 s (measured, …)`, `Would save up to 3 s (an estimate…)`, `Costs 1.0 s more (measured, …)`, `No measurable gain`."""
    if one.gain is None:
        return "No gain known: that start failed."
    if not one.measured:
        amount = f"{one.spread.least:.1f} to {one.spread.most:.1f}" if one.spread else f"up to {one.gain:.1f}"
        return f"Would save {amount} s (an estimate: --try measures it)"
    if not one.measurable and one.spread:
        return (
            f"No measurable gain (between {_signed(one.spread.least)} and {_signed(one.spread.most)}: "
            f"starts that were made alike differ as much, {one.made} of each)"
        )
    how = "measured in one start of each, spread not known"
    if one.spread:
        ends = sorted((abs(one.spread.least), abs(one.spread.most)))
        how = f"measured, {ends[0]:.1f} to {ends[1]:.1f} s in {one.made} starts of each"
    return f"Saves {one.gain:.1f} s ({how})" if one.gain >= 0 else f"Costs {-one.gain:.1f} s more ({how})"


def _signed(value: float) -> str:
    return f"{value:.1f} s saved" if value >= 0 else f"{-value:.1f} s lost"


def spread(found: Spread | None) -> str:
    """`49.8–53.3 s`; a dash for what was measured once."""
    if found is None:
        return "–"
    digits = 1 if found.most >= 10 else 2
    return f"{found.least:.{digits}f}–{found.most:.{digits}f} s"


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
