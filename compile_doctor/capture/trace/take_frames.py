"""Records of compilations: where each began, what it cost, how it ended, and which guard led to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.state import Reading
from compile_doctor.capture.trace.stream import Record
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.stacks import Frame


@lru_cache(maxsize=16)
def _is_static(config: str | None) -> bool:
    """Whether torch.compile had dynamic=False, which sets these two options while a frame is compiled."""
    settings = decode((config or "{}").encode(), dict[str, Any])
    return settings.get("automatic_dynamic_shapes") is False and settings.get("assume_static_by_default") is True


def file_name(state: Reading, record: Record, header: trace_records.Interned) -> None:
    name, number = header.string
    state.names[record.pid, number] = name
    state.trace.names.setdefault(number, set()).add(name)


def dynamo_start(state: Reading, record: Record, header: trace_records.Started) -> None:
    key = state.key(record, header)
    frames = [
        Frame(state.name(record.pid, entry.filename), entry.line, entry.name, entry.loc or "")
        for entry in header.dynamo_start.stack or ()
    ]
    own = frames[-1] if frames else Frame("?", 0, "?")
    started = Compilation(
        process=record.pid,
        frame_id=-1 if header.frame_id is None else header.frame_id,
        frame_compile_id=-1 if header.frame_compile_id is None else header.frame_compile_id,
        function=own.function,
        file=own.file,
        line=own.line,
        stack=state.stack(frames),
        recompile_reasons=state.pending.pop(key, ()),
    )
    state.current[key] = len(state.trace.compilations)
    if key in state.timers:  # its first event comes before
        state.timers[key].index = len(state.trace.compilations)
    state.trace.compilations.append(started)


def compilation_metrics(state: Reading, record: Record, header: trace_records.Measured) -> None:
    metrics = header.compilation_metrics
    file, line = metrics.fail_user_frame_filename, metrics.fail_user_frame_lineno
    state.change(
        state.key(record, header),
        ops=metrics.graph_op_count or 0,
        begun=metrics.start_time_us,
        seconds=metrics.entire_frame_compile_time_s,
        guarded=metrics.guard_count is not None,
        guards=(metrics.guard_count, metrics.guard_latency_us),
        static=_is_static(metrics.dynamo_config),
        settings=(state.once(metrics.dynamo_config), state.once(metrics.inductor_config)),
        restarts=tuple(text.split("\n", 1)[0] for text in metrics.restart_reasons or ()),
        fail_type=metrics.fail_type,
        fail_reason=metrics.fail_reason[:4000] if metrics.fail_reason else None,
        fail_at=(file, line) if file and line else None,
    )


def recompile_reasons(state: Reading, record: Record, header: Ids) -> None:
    # Since torch 2.11, a single reason is a plain string.
    quoted = record.payload.lstrip()[:1] in (b"[", b'"')
    reasons = decode(record.payload, trace_records.Reasons) if quoted else record.payload.decode()
    listed = [reasons] if isinstance(reasons, str) else reasons
    named = tuple(reason.strip() for reason in listed if reason.strip())
    if not named:
        raise BadRecordError("it names no guard")
    state.pending[state.key(record, header)] = named


def torch_version(state: Reading, record: Record, header: Ids) -> None:
    state.trace.torch_version = decode(record.payload, trace_records.Version).pytorch_version
