"""The timeline for ui.perfetto.dev and chrome://tracing, as JSON in the Trace Event Format: ranks are processes.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from compile_doctor.analysis.compile_time import WORDS, answers
from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.model.timeline import Span, TimedCompilation, Timeline
from compile_doctor.render.entries import INCONCLUSIVE
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report

CALLS, COMPILING, ASIDE = 1, 100, 10_000
"""Numbers of the first track of each kind; overlapping events of one kind need several."""
NOTHING = "nothing was compiled, and the target was not called"
Event = dict[str, Any]


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    return _document([report], {report.target: f"{report.verdict}. {report.reason}".strip()})


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    statuses = {one.name: f"{one.status}. {one.reason}".strip() for one in gate.outcomes}
    empty = {"check": f"{INCONCLUSIVE}. No target was checked."}
    return _document([outcome.report for outcome in gate.outcomes if outcome.report], statuses or empty)


def _document(reports: list[Report], verdicts: dict[str, str]) -> str:
    events: list[Event] = []
    for report in map(relative, reports):
        for timeline in report.timelines:
            first = 1 + max((event["pid"] for event in events), default=0)
            events += _process(report.target, timeline, first)
        if why := _missing(report):
            events += _note(report.target, why, 1 + max((event["pid"] for event in events), default=0))
    document = {"displayTimeUnit": "ms", "otherData": verdicts, "traceEvents": events}
    return json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"


def lacking(found: Report | Gate) -> str:
    """Why there is no timeline at all: the file has only notes then. Empty if there is one."""
    reports = [found] if isinstance(found, Report) else [one.report for one in found.outcomes if one.report]
    missing = [_missing(report) for report in reports]
    return "" if "" in missing else f"the timeline is not recorded: {(missing or [NOTHING])[0]}"


def _missing(report: Report) -> str:
    return report.not_recorded.get("timeline") or ("" if report.timelines else NOTHING)


def _note(target: str, why: str, number: int) -> Iterator[Event]:
    """An empty process for a target without a timeline, with the reason as an event that is shown."""
    yield from _named("process_name", number, 0, target)
    yield {"ph": "i", "pid": number, "tid": 0, "ts": 0, "s": "p", "name": f"not recorded: {why}", "args": {}}


def _process(target: str, timeline: Timeline, number: int) -> Iterator[Event]:
    """One process for a timeline, and one for each rank that did the same."""
    name = target if timeline.rank is None else f"rank {timeline.rank}"
    yield from _named("process_name", number, 0, name)
    calls = [([(call.start, call.duration)], _call(call.phase, call.index)) for call in timeline.calls]
    for track, (times, shown) in _tracks(calls):
        yield _complete(number, CALLS + track, shown, "call", *times[0], {})
    yield from _named("thread_name", number, CALLS, "calls of the target")
    units = [
        ([(span.start, span.duration) for span in unit], (one, unit))
        for one in timeline.compilations
        for unit in _units(one)
    ]
    used = 0
    for track, (_, (one, unit)) in _tracks(units):
        used = max(used, track + 1)
        for span in unit:
            label = _label(one) if not span.depth else span.name
            facts = _facts(one) if not span.depth else {}
            facts |= {} if span.ended else {"ended": False}
            yield _complete(number, COMPILING + track, label, WORDS[span.phase], span.start, span.duration, facts)
    for track in range(used):
        yield from _named("thread_name", number, COMPILING + track, "compiling")
    beside = [([(span.start, span.duration)], span) for span in timeline.aside if not span.depth]
    for track, (times, span) in _tracks(beside):
        yield from _named("thread_name", number, ASIDE + track, "in the background")
        yield _complete(number, ASIDE + track, span.name, WORDS[span.phase], *times[0], {})
    for at, other in enumerate(timeline.others, number + 1):
        yield from _named("process_name", at, 0, f"rank {other.rank} (as rank {timeline.rank})")
        for one, start, lasted in zip(timeline.compilations, other.starts, other.durations):
            if start is not None and lasted is not None:
                yield _complete(at, COMPILING, _label(one), "compilation", start, lasted, _facts(one))


def _call(phase: str, index: int) -> str:
    return f"{phase} call {index + 1}"


def _units(one: TimedCompilation) -> Iterator[list[Span]]:
    """The spans of a compilation, one list for each time that it worked: the backward pass may come much later."""
    unit: list[Span] = []
    for span in one.timing.spans:
        if not span.depth and unit:
            yield unit
            unit = []
        unit.append(span)
    if unit:
        yield unit


def _tracks(
    units: Iterable[tuple[list[tuple[int, int]], Any]],
) -> Iterator[tuple[int, tuple[list[tuple[int, int]], Any]]]:
    """Each with the first track that is free: the format has no events that overlap on one."""
    free: list[int] = []
    for times, one in sorted(units, key=lambda item: item[0][0]):
        start, duration = times[0]
        track = next((number for number, at in enumerate(free) if at <= start), len(free))
        free[track : track + 1] = [start + duration]
        yield track, (times, one)


def _label(one: TimedCompilation) -> str:
    again = f", recompilation {one.recompilation}" if one.recompilation else ""
    return f"{one.frame.function} [{one.compile_id}{again}]"


def _facts(one: TimedCompilation) -> dict[str, Any]:
    facts: dict[str, Any] = {"function": f"{one.frame.file}:{one.frame.line} {one.frame.function}"}
    if one.reason:
        facts["guard that failed"] = one.reason
    if one.restarts:
        facts["restarts of tracing"] = one.restarts
    if one.caches:
        facts["caches"] = answers(one.caches)
    reasons = [answer.reason for answer in one.caches if answer.reason]
    return facts | ({"bypassed because": "; ".join(reasons)} if reasons else {})


def _complete(pid: int, tid: int, name: str, category: str, start: int, lasted: int, facts: dict[str, Any]) -> Event:
    return {"ph": "X", "pid": pid, "tid": tid, "ts": start, "dur": lasted, "name": name, "cat": category, "args": facts}


def _named(what: str, pid: int, tid: int, name: str) -> Iterator[Event]:
    yield {"ph": "M", "pid": pid, "tid": tid, "ts": 0, "name": what, "args": {"name": name}}
