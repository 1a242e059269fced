"""Compares a target's snapshot with its baseline: what got worse, what got better."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from compile_doctor.gate import baseline
from compile_doctor.gate.baseline import Baseline, Call, Entry
from compile_doctor.gate.outcome import Change
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.kernels import FASTEST_FIRST
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report
from compile_doctor.source import locations

_NAMES = {
    "graphs": ("graph", "graphs"),
    "frames_skipped": ("function not compiled", "functions not compiled"),
    "recompiles": ("recompilation", "recompilations"),
}
"""The figures that are compared. Fewer is better."""
LINES = 9
"""How many lines the text of one change names."""
_RANK = {"fused": 0, "unverified": 1, "mixed": 2, "dense": 3}
_ABOUT_ATTENTION = ("attention", "float8", "kernels")
_Calls = dict[tuple[str, str, str], list[str]]
"""Verdicts by file, function and api."""


def compare(
    known: Baseline, found: Baseline, report: Report, owners: Sequence[str], waived: Callable[[Finding], str]
) -> tuple[list[Change], list[Change]]:
    """(worse, better) of two snapshots. `waived` returns the reason of a finding's waiver, or an empty string.

    Findings of other owners than `owners` are neither, and if there are any, figures are not compared. The effect of a
    waived finding on the figures is waived with it.
    """
    report = relative(report)
    gone, new = unmatched(known, found, report)
    worse = list(_new_findings(new, report, owners, waived))
    better = [Change("finding", f"gone: {named(entry)}") for entry in gone if entry.owner in owners]
    if all(entry.owner in owners for entry in (*new, *gone)):
        more, fewer = _figures(known, found, "" if worse else _behind(report))
        if not gone and not more and _left_out(known, found):
            text = (
                f"{_figure(known, found, 'graphs')}, with fewer operators: a part was removed, or is no longer compiled"
            )
            more, fewer = [Change("graphs", text)], []
        excuse = next((change.waived for change in worse if change.waived), "")
        worse += [replace(change, waived=excuse) for change in more]
        better += fewer
    about = [
        (one.finding, one.waived) for one in worse if one.finding and one.finding.facts.category in _ABOUT_ATTENTION
    ]
    excused = {one.location.function: waiver for one, waiver in about if one.location}
    attention = _attention(known.attention, found.attention, report, excused)
    kernels = _kernels(known.attention, found.attention)
    return [*worse, *attention[0], *kernels[0]], [*better, *attention[1], *kernels[1]]


def unmatched(known: Baseline, found: Baseline, report: Report) -> tuple[list[Entry], list[Entry]]:
    """(gone, new) findings. A finding whose function was renamed, or moved to another file, is neither."""
    gone, new = baseline.differences(known.findings, found.findings)
    # If a line with two breaks is split into two lines, there is one more finding, but no figure differs.
    if all(getattr(known.summary, key) == getattr(found.summary, key) for key in (*_NAMES, "frames_compiled")):
        now, before = set(found.findings), set(known.findings)
        gone = [entry for entry in gone if entry not in now]
        new = [entry for entry in new if entry not in before]
    stayed = [entry for entry in gone if locations.defines(report.sources, entry.file or "", entry.function or "")]
    left = [entry for entry in gone if not locations.defines(report.sources, entry.file or "", entry.function or "")]
    for renamed in ("function", "file"):
        _, left, new = baseline.paired(left, new, baseline.without(renamed))
    return sorted((*stayed, *left), key=baseline.sorted_by), new


def _new_findings(
    new: Sequence[Entry], report: Report, owners: Sequence[str], waived: Callable[[Finding], str]
) -> Iterator[Change]:
    """One change for each new finding. Hints (info) do not count, except breaks: an intended break is a break too."""
    alike: dict[Entry, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        alike[baseline.identity(finding)].append(finding)
    for found in alike.values():
        found.sort(key=lambda one: one.location.line if one.location else 0)
    for entry in new:
        findings = alike[entry]
        finding = findings[-1]  # of several in one function, it is unknown which is new: the text names all lines
        if entry.owner in owners and (finding.severity != "info" or finding.facts.category == "breaks"):
            yield Change("finding", f"new: {named(entry, *findings)}", finding, waived(finding))


def _figures(known: Baseline, found: Baseline, behind: str) -> tuple[list[Change], list[Change]]:
    """(worse, better). Operators are not compared: more or fewer are different code, not better or worse."""
    worse: list[Change] = []
    better: list[Change] = []
    for key in _NAMES:
        before, after = getattr(known.summary, key), getattr(found.summary, key)
        if before != after:
            text = _figure(known, found, key) + (behind if key == "graphs" and after > before else "")
            (worse if after > before else better).append(Change(key.replace("_", "-"), text))
    return worse, better


def _figure(known: Baseline, found: Baseline, key: str) -> str:
    now, before = getattr(found.summary, key), getattr(known.summary, key)
    return f"{now} {_NAMES[key][now != 1]}, {before} in the baseline"


def _behind(report: Report) -> str:
    """The findings that cause most of the graphs, in words: where to look if no finding is new."""
    costly = sorted((one for one in report.findings if one.cost.graphs), key=lambda one: -one.cost.graphs)[:2]
    behind = [f"{one.cost.graphs} behind {named(baseline.identity(one), one)}" for one in costly]
    return f" ({'; '.join(behind)})" if behind else ""


def _left_out(known: Baseline, found: Baseline) -> bool:
    """Whether a target that compiles its parts itself compiles less: torch reports nothing about other code."""
    before, after = known.summary, found.summary
    less = after.graphs < before.graphs and after.ops_captured < before.ops_captured
    return less and after.recompiles == before.recompiles and found.settings.as_is


def _attention(
    known: Sequence[Call], found: Sequence[Call], report: Report, excused: Mapping[str, str]
) -> tuple[list[Change], list[Change]]:
    """(worse, better), function by function. Only verdicts distinguish the calls of a function, because lines move.

    `excused` has the reasons of waivers by function: a waiver of CD301 there covers the verdict too.
    """
    worse: list[Change] = []
    better: list[Change] = []
    before, after = _calls(known), _calls(found)
    lost: dict[tuple[str, ...], deque[tuple[int, tuple[str, str, str]]]] = defaultdict(deque)
    taken: set[tuple[str, str, str]] = set()
    for number, one in enumerate(before):
        if one not in after and not locations.defines(report.sources, one[0], one[1]):
            for place in (("file", one[0], one[2]), ("function", one[1], one[2])):
                lost[place].append((number, one))
    lines_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for entry in report.attention:
        lines_of[entry.api, entry.verdict, entry.location.file, entry.location.function].append(entry.location.line)
    for (file, function, api), verdicts in after.items():
        key = (file, function, api)
        if key not in before:  # pair it with the first lost one that was in this file or had this name
            queues = [lost[place] for place in (("file", file, api), ("function", function, api)) if place in lost]
            for queue in queues:
                while queue and queue[0][1] in taken:
                    queue.popleft()
            key = min((queue[0] for queue in queues if queue), default=(0, key))[1]
            taken.add(key)  # a lost function is paired only once
        was = before.get(key, [])
        for number, now in enumerate(verdicts):
            lines = _either(lines_of[api, now, file, function])
            text = f"attention in {function} ({file}{':' if lines else ''}{lines}) is {now}"
            at = Location(file, next(iter(lines_of[api, now, file, function]), 0), function)
            if number < len(was) and was[number] != now:
                got_worse = _RANK[now] > _RANK[was[number]]
                waiver = excused.get(function, "") * got_worse
                change = Change("attention", f"{text}, was {was[number]}", waived=waiver, location=at)
                (worse if got_worse else better).append(change)
            elif number >= len(was) and now in ("dense", "mixed"):
                waiver = excused.get(function, "")
                worse.append(Change("attention", f"{text}, a new call", waived=waiver, location=at))
    return [*worse, *_vanished(before, after, report)], better


def _kernels(known: Sequence[Call], found: Sequence[Call]) -> tuple[list[Change], list[Change]]:
    """(worse, better): calls that are fused before and after, by another implementation."""
    worse: list[Change] = []
    better: list[Change] = []
    places = [Counter((one.file, one.function, one.api) for one in calls) for calls in (known, found)]
    before = {(one.file, one.function, one.api, one.number): one for one in known}
    for now in found:
        place = (now.file, now.function, now.api)
        was = before.get((*place, now.number))
        if was is None or places[0][place] != places[1][place] or not was.verdict == now.verdict == "fused":
            continue
        ranks = [
            FASTEST_FIRST.index(one) if one in FASTEST_FIRST else None
            for one in (was.implementation, now.implementation)
        ]
        if ranks[0] is None or ranks[1] is None or ranks[0] == ranks[1]:
            continue
        text = f"attention in {now.function} ({now.file}) is computed by {now.implementation}, was {was.implementation}"
        at = Location(now.file, 0, now.function)
        (worse if ranks[1] > ranks[0] else better).append(Change("attention", text, location=at))
    return worse, better


def _vanished(before: _Calls, after: _Calls, report: Report) -> Iterator[Change]:
    """Functions that still exist but no longer call attention, if no other function calls it more than before.

    Attention written with matmul and softmax is not an attention call: this is the only sign that it is now dense.
    """
    if any(len(verdicts) > len(before.get(key, ())) for key, verdicts in after.items()):
        return  # moved into another function
    calling = {key[:2] for key in after}
    for (file, function, api), verdicts in before.items():
        could_be_lost = verdicts[0] in ("fused", "unverified") and (file, function) not in calling
        if could_be_lost and locations.defines(report.sources, file, function):
            what = f"{function} ({file}) no longer calls {api}, which was {verdicts[0]}"
            text = f"{what}: it is unknown what computes it now"
            yield Change("attention", text, location=Location(file, 0, function))


def _calls(entries: Sequence[Call]) -> _Calls:
    """The verdicts by file, function and api, the best first."""
    calls: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for entry in entries:
        calls[entry.file, entry.function, entry.api].append(entry.verdict)
    return {key: sorted(verdicts, key=_RANK.__getitem__) for key, verdicts in calls.items()}


def _either(lines: Sequence[int]) -> str:
    """`7 or 9`; of many lines only the first ones."""
    named = list(map(str, lines[:LINES]))
    return " or ".join([*named, f"{len(lines) - LINES:,} more"] if len(lines) > LINES else named)


def named(entry: Entry, *findings: Finding) -> str:
    """`CD101 graph-break in Model.forward (model.py:7)`; without findings, as in the baseline, no name and no line."""
    title = f" {findings[0].name}" if findings else ""
    lines = _either([one.location.line for one in findings if one.location])
    where = f" ({entry.file}{':' if lines else ''}{lines})" if entry.file else ""
    return f"{entry.code}{title} in {entry.function or 'the target'}{where}"
