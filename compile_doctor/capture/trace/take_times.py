"""Timed events, which belong to a compilation or to none."""

from __future__ import annotations

import re
from dataclasses import replace

from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.state import Key, Reading
from compile_doctor.capture.trace.stream import Record
from compile_doctor.capture.trace.timing import Timer

_LABEL = re.compile(r"(?:!(\d+)/)?(\d+)/(\d+)")
"""A compile id in torch's words: `3/1`, or `!0/3/1` under compiled autograd."""
_NO_FRAME = (None, None, None)
_FIRST_EVENT = "dynamo"
"""The outermost event of each compilation."""


def chromium_event(state: Reading, record: Record, header: Ids) -> None:
    try:
        event = decode(record.payload, trace_records.Timed)
    except BadRecordError:  # nothing that a finding rests on
        state.trace.untimed += 1
        return
    inside = header.frame_id is not None
    key = state.key(record, header) if inside else _timed_key(record.pid, event.args.compile_id)
    timer = state.timers.get(key)
    if event.ph == "B":
        if timer is not None and timer.index >= 0 and event.name == _FIRST_EVENT:
            keep_time(state, timer)  # the same id again, after torch._dynamo.reset()
            timer = None
        if timer is None:
            timer = state.timers[key] = Timer()
        timer.begin(event.name, int(event.ts))
    elif event.ph == "E" and timer is not None:
        timer.end(event.name, int(event.ts))


def keep_time(state: Reading, timer: Timer) -> None:
    """Keeps what was timed, with the compilation if there is one."""
    timing = timer.timing()
    if timing is None:
        return
    if timer.index >= 0:
        state.trace.compilations[timer.index] = replace(state.trace.compilations[timer.index], timing=timing)
    else:
        state.trace.aside += timing.spans


def _timed_key(pid: str, label: str | None) -> Key:
    """Which compilation an event is about that is not within one: autotuning at the first call, CUDA graphs."""
    match = _LABEL.fullmatch(label or "")
    if match is None:
        return pid, *_NO_FRAME
    graph, frame, times = (None if part is None else int(part) for part in match.groups())
    return pid, frame, times, graph
