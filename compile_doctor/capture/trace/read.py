"""Converts torch's structured trace (`TORCH_TRACE`) to evidence: compilations, breaks, recompile reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace import take_breaks, take_frames, take_graphs, take_inputs, take_times
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.kinds import COMPARED, WANTED, is_known
from compile_doctor.capture.trace.state import Reading
from compile_doctor.capture.trace.stream import Record, records

MOST_BAD = 100
"""After this many records that cannot be read, a file is not considered a trace."""
MOST_KINDS = 1000
"""After this many unknown kinds of records, a file is not considered a trace; a new torch has only a few."""

TAKERS: dict[str, Callable[[Reading, Record, Any], None]] = {
    "str": take_frames.file_name,
    "dynamo_start": take_frames.dynamo_start,
    "compilation_metrics": take_frames.compilation_metrics,
    "artifact:recompile_reasons": take_frames.recompile_reasons,
    "artifact:torch_version": take_frames.torch_version,
    "artifact:dynamo_graph_break_reason": take_breaks.dynamo_graph_break_reason,
    "artifact:dynamo_error": take_breaks.dynamo_error,
    "dynamo_output_graph": take_graphs.dynamo_output_graph,
    "dynamo_cpp_guards_str": take_graphs.dynamo_cpp_guards_str,
    "inductor_output_code": take_graphs.inductor_output_code,
    "artifact:compile_doctor_graph": take_graphs.compile_doctor_graph,
    **dict.fromkeys(trace_records.AOT_GRAPHS, take_graphs.aot_graph),
    **dict.fromkeys(trace_records.CACHES, take_graphs.cache),
    "symbolic_shape_specialization": take_inputs.symbolic_shape_specialization,
    "describe_tensor": take_inputs.describe_tensor,
    "describe_source": take_inputs.describe_source,
    "chromium_event": take_times.chromium_event,
}
"""What reads a record, by kind: the same kinds as in `records.KINDS`."""


def read_trace(files: Iterable[Path]) -> Trace:
    """Reads trace files in the given order; the result has what could be read of each."""
    trace = Trace()
    for path in files:
        with path.open("rb") as stream:
            read_stream(stream, trace, path.name)
    return trace


def read_stream(stream: BinaryIO, trace: Trace, name: str = "trace") -> None:
    """Adds the records of one file, called `name`, to `trace`."""
    reading = Reading(trace)
    bad = 0
    for record in records(stream, WANTED if trace.detailed else COMPARED, is_known):
        try:
            _take(reading, record)
        except (BadRecordError, ValueError) as error:
            trace.lost.append(f"{name}, record {record.number} ({record.kind}): {error}")
            bad += 1
        if bad == MOST_BAD or len(trace.unknown) > MOST_KINDS:
            trace.lost.append(f"{name}: too many records are not those of torch, so the rest was not read")
            break
    _finish(reading)


def _take(reading: Reading, record: Record) -> None:
    """Takes a record. Raises ValueError, of which BadRecordError is a subclass, if it cannot be read."""
    if record.kind == "malformed":
        raise BadRecordError("it is not a record of a torch trace")
    kind = trace_records.KINDS.get(record.kind)
    if kind is not None:
        TAKERS[record.kind](reading, record, decode(record.json, kind))
    else:
        reading.trace.unknown[record.kind] += 1


def _finish(reading: Reading) -> None:
    for index, values in reading.changed.items():
        reading.trace.compilations[index] = replace(reading.trace.compilations[index], **values)
    for (pid, frame, _, _), _reasons in reading.pending.items():
        label = f"{pid}:{frame}"
        reading.trace.beyond_limit[label] = reading.trace.beyond_limit.get(label, 0) + 1
    for timer in reading.timers.values():
        take_times.keep_time(reading, timer)
