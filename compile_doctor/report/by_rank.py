"""Findings and figures of a run with ranks: those of each group of ranks that did the same, never added up.

Each group is examined like a run of its own. A finding that several groups have becomes one, with all their ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from compile_doctor.analysis.attention.entries import AttentionEntry, attention_entries
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.ends import endings, launcher_failures
from compile_doctor.analysis.ranks.stragglers import hits, misses, total
from compile_doctor.checks.base import Check
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.model.ranks import Rank, Ranks, named, ranges
from compile_doctor.report import proof
from compile_doctor.report.run_checks import Found, run_checks, worst_first
from compile_doctor.report.summary import summary_of


@dataclass(frozen=True)
class RankRow:
    """Ranks with the same figures; the compile time is the one thing that may differ between them."""

    ranks: tuple[int, ...]
    figures: Mapping[str, Any] | None
    """As `summary`; None if their evidence is not kept."""
    seconds: tuple[float, float, float]
    """Of compiling: least, median and most."""
    slowest: int
    """The rank that compiled longest."""
    cache: tuple[int, int]
    """Hits and misses of torch's caches of compiled code."""
    ended: str
    """`ended`, `failed`, `stopped`, `open` or `unknown`."""


@dataclass(frozen=True)
class RankTable:
    """All ranks in the report."""

    world_size: int
    seen: tuple[int, ...]
    hosts: tuple[str, ...]
    rows: tuple[RankRow, ...]
    diverge: bool
    """Whether ranks that should do the same did not."""


@dataclass(frozen=True)
class ByRank:
    """What the groups have together."""

    found: Found
    attention: tuple[AttentionEntry, ...]
    summary: Mapping[str, Any]
    """Each figure of the rank that has the most of it."""
    missing: tuple[str, ...]
    lost: tuple[str, ...]
    notes: tuple[str, ...]
    table: RankTable


def by_rank(seen: AnalysisContext, checks: Iterable[Check], unusable: Iterable[tuple[str, str]]) -> ByRank:
    """Examines each group of ranks, then compares them."""
    ranks, checks = seen.evidence.ranks, tuple(checks)
    alone = [check for check in checks if not check.compares_ranks]
    merged: dict[tuple[Any, ...], Finding] = {}
    skipped: dict[tuple[str, str], None] = {}
    problems: list[str] = []
    entries: dict[tuple[Any, ...], AttentionEntry] = {}
    figures: list[Mapping[str, Any] | None] = []
    missing: dict[str, list[int]] = {}
    lost: dict[str, list[int]] = {}
    represented: dict[int, list[int]] = {}
    stand_ins = ranks.stand_ins()
    for one in ranks.all:
        represented.setdefault(stand_ins[one.group], []).append(one.number)
    stopped = {one.rank.number for one in endings(seen.evidence)}
    for index, own in enumerate(seen.of_groups):
        members = tuple(represented.get(index, ()))
        figures.append(summary_of(own) if own and members else None)
        if own is None or not members:  # not kept, or of an attempt before
            continue
        found = run_checks(alone, own, unusable)
        skipped.update(dict.fromkeys(found.skipped))
        problems.append(found.problem)
        for finding in found.findings:
            _merge(merged, finding, members)
        calls = attention_entries(own)
        for entry in calls:
            entries.setdefault((entry.location, entry.verdict, entry.api), entry)
        if not stopped.issuperset(members):  # how the others ended has a finding
            for text in proof.lacking(own.evidence, (entry.peak_bytes for entry in calls)):
                missing.setdefault(text, []).extend(members)
            for text in proof.lost(own.evidence):
                lost.setdefault(text, []).extend(members)
    compared = run_checks([check for check in checks if check.compares_ranks], seen)
    outside = _outside(seen)
    others = run_checks(alone, outside) if outside and outside.evidence.compilations else None
    unknown = any(ranks.groups[index].evidence is None for index in represented)
    findings = [
        *(_tagged(one, ranks, unknown) for one in merged.values()),
        *compared.findings,
        *(others.findings if others else ()),
    ]
    problems += [compared.problem, others.problem if others else ""]
    whole = [*_unseen(seen.evidence), *(f"the capture: {text}" for text in seen.evidence.damage)]
    return ByRank(
        found=Found(
            worst_first(findings),
            tuple(sorted({**skipped, **dict.fromkeys(compared.skipped)})),
            next(filter(None, problems), ""),
        ),
        attention=tuple(entries.values()),
        summary=_most(figures),
        missing=tuple(dict.fromkeys([*whole, *_labelled(missing, ranks)])),
        lost=tuple(dict.fromkeys([*whole, *_labelled(lost, ranks)])),
        notes=tuple(_notes(seen.evidence)),
        table=_table(
            seen, figures, any(one.facts.category == "ranks" and not one.is_outcome for one in compared.findings)
        ),
    )


def _labelled(texts: Mapping[str, list[int]], ranks: Ranks) -> Iterator[str]:
    for text, members in texts.items():
        everywhere = len(set(members)) == ranks.world_size
        yield text if everywhere else f"{named(members, ranks.world_size)}: {text}"


def _merge(merged: dict[tuple[Any, ...], Finding], finding: Finding, members: tuple[int, ...]) -> None:
    place = finding.location
    at = (place.file, place.line, place.function) if place else None
    key = finding.code, at, finding.cause, finding.baseline_cause, finding.severity
    known = merged.get(key)
    if known is None:
        merged[key] = replace(finding, ranks=members)
        return
    worst = known if known.count >= finding.count else finding
    merged[key] = replace(worst, ranks=tuple(sorted({*known.ranks, *members})))


def _tagged(finding: Finding, ranks: Ranks, unknown: bool) -> Finding:
    """Its message begins with its ranks, in every format. `unknown`: there are ranks whose evidence is not kept."""
    if len(ranks.all) < 2:
        return finding
    everywhere = len(finding.ranks) == len(ranks.all)
    which = named(finding.ranks, ranks.world_size)
    label = "On every rank" if everywhere else f"On {which} at least" if unknown else f"On {which} only"
    return replace(finding, message=f"{label}: {finding.message}")


def _outside(seen: AnalysisContext) -> AnalysisContext | None:
    """Processes that are no rank, without the launcher's error about its ranks."""
    outside = seen.evidence.ranks.outside
    if outside is None:
        return None
    known = {id(failure) for failure in launcher_failures(seen.evidence)}
    rest = tuple(failure for failure in outside.failures if id(failure) not in known)
    return AnalysisContext(replace(outside, failures=rest, sources=seen.evidence.sources, asked=seen.evidence.asked))


def _unseen(evidence: Evidence) -> list[str]:
    """Ranks of a machine of which others were seen. Other machines have captures of their own."""
    ranks = evidence.ranks
    by_machine: dict[str, list[Rank]] = {}
    for one in ranks.all:
        by_machine.setdefault(one.who.host, []).append(one)
    found = []
    for host, members in by_machine.items():
        expected = max((one.who.local_size or 0 for one in members), default=0)
        local = {one.who.local_rank for one in members}
        if expected and len(local) < expected:
            gone = ranges(set(range(expected)) - {number for number in local if number is not None})
            found.append(
                f"local rank {gone} of {host or 'this machine'} left no evidence: it may have compiled anything, or nothing"
            )
    return found


def _notes(evidence: Evidence) -> Iterator[str]:
    """Ranks that the report does not compare."""
    ranks = evidence.ranks
    absent = set(range(ranks.world_size)) - {one.number for one in ranks.all}
    if absent:
        yield f"{named(sorted(absent), ranks.world_size)} of {ranks.world_size:,} not in this capture: report A B … reads those of several machines together"
    earlier = sorted({(one.who.restart, one.number) for one in ranks.earlier})
    for restart in dict.fromkeys(restart for restart, _ in earlier):
        numbers = [number for at, number in earlier if at == restart]
        yield f"{named(numbers, 0)} of an earlier launch (restart {restart}) left evidence too, which is not part of this report"


def _most(figures: Iterable[Mapping[str, Any] | None]) -> Mapping[str, Any]:
    known = [one for one in figures if one is not None]
    return {name: max(one[name] for one in known) for name in known[0]} if known else {}


def _table(seen: AnalysisContext, figures: list[Mapping[str, Any] | None], diverge: bool) -> RankTable:
    ranks = seen.evidence.ranks
    ends = {
        one.rank.number: "failed" if one.failed else "stopped" if one.signal else "open"
        for one in endings(seen.evidence)
    }
    rows: dict[tuple[Any, ...], list[Rank]] = {}
    stand_ins = ranks.stand_ins()
    known: dict[tuple[Any, ...], tuple[Mapping[str, Any] | None, tuple[int, int], str]] = {}
    for one in ranks.all:
        own = figures[stand_ins[one.group]]
        counts = {name: value for name, value in own.items() if name != "compile_seconds"} if own else None
        cache = hits(ranks, one), misses(ranks, one)
        ended = ends.get(one.number, "ended" if seen.evidence.children else "unknown")
        key = (tuple(counts.items()) if counts else (one.group,), cache, ended)
        rows.setdefault(key, []).append(one)
        known[key] = counts, cache, ended
    made = [_row(members, *known[key]) for key, members in rows.items()]
    hosts = tuple(sorted({one.who.host for one in ranks.all if one.who.host}))
    return RankTable(ranks.world_size, tuple(one.number for one in ranks.all), hosts, tuple(made), diverge)


def _row(members: list[Rank], figures: Mapping[str, Any] | None, cache: tuple[int, int], ended: str) -> RankRow:
    ordered = sorted(members, key=total)
    seconds = [round(total(one), 1) for one in (ordered[0], ordered[len(ordered) // 2], ordered[-1])]
    numbers = tuple(sorted(one.number for one in members))
    return RankRow(numbers, figures, (seconds[0], seconds[1], seconds[2]), ordered[-1].number, cache, ended)
