"""Records of inputs: their shapes, and sizes that were to vary and became fixed."""

from __future__ import annotations

import re

from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace.state import Reading
from compile_doctor.capture.trace.stream import Record
from compile_doctor.model.compilations import Given, Specialization
from compile_doctor.model.stacks import Frame, function_name

_INPUT = re.compile(
    r"[LG]\['(\w+)'\](?:\.(?!_modules\b|_parameters\b|_buffers\b|__dict__\b)(\w+)|\._(?:parameters|buffers)\['(\w+)'\]"
    r"|\.__dict__\['(\w+)'\])?((?:\[(?:\d+|'\w+')\])*)"
)
"""`L['x']`, `G['count']`, `L['self'].scale`, `L['self']._buffers['step']`, `L['batch']['x'][0]`: what the frame's own source may name."""


def symbolic_shape_specialization(state: Reading, record: Record, header: trace_records.Specialized) -> None:
    fixed = header.symbolic_shape_specialization
    index = state.index(record, header)
    entries = fixed.user_stack or ()
    if index < 0 or not entries:
        return
    stack = state.stack(
        Frame(state.name(record.pid, one.filename), one.line, function_name(one.name), one.loc or "") for one in entries
    )
    before = state.so_far(index, "specialized")
    found = tuple(Specialization(source, fixed.value, stack) for source in fixed.sources)
    state.change(state.key(record, header), specialized=(*before, *(one for one in found if one not in before)))


def describe_tensor(state: Reading, record: Record, header: trace_records.Described) -> None:
    tensor = header.describe_tensor
    state.described[record.pid, tensor.id] = tensor


def describe_source(state: Reading, record: Record, header: trace_records.Named) -> None:
    named = header.describe_source
    tensor = state.described.pop((record.pid, named.id), None)
    found = _INPUT.fullmatch(named.source)
    index = state.index(record, header)
    if tensor is None or tensor.describer_id != named.describer_id or found is None or index < 0:
        return
    if not all(isinstance(size, int) for size in tensor.size):
        return
    *names, inside = found.groups()
    given = Given(".".join(filter(None, names)) + inside, tensor.dtype, tuple(tensor.size))
    before = state.so_far(index, "inputs")
    if given not in before:
        state.change(state.key(record, header), inputs=(*before, given))
