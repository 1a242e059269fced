"""The records of torch's structured trace that are read, with the fields that are used (torch 2.8 to 2.15).

Calls of `trace_structured(` all over torch write them; the parser skips everything that is not named here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from compile_doctor.model.units import Count, Moment, Seconds

Reasons = list[str] | str
"""The payload of `recompile_reasons`."""


class Ids(msgspec.Struct):
    """Which compilation a record belongs to."""

    frame_id: Count | None = None
    frame_compile_id: Count | None = None
    compiled_autograd_id: Count | None = None


class Interned(msgspec.Struct):
    """`str`: a file name, and the number that later records of this process use for it."""

    string: tuple[str, Count] = msgspec.field(name="str")


class StackEntry(msgspec.Struct):
    """One line of a stack; `filename` is the number of an interned file name."""

    filename: Count
    line: Count
    name: str
    loc: str | None = None


class Stack(msgspec.Struct):
    """The contents of `dynamo_start`."""

    stack: list[StackEntry] | None = None


class Started(Ids):
    """Dynamo starts to compile a frame."""

    dynamo_start: Stack = msgspec.field(default_factory=Stack)


class Metrics(msgspec.Struct):
    """The contents of `compilation_metrics`."""

    graph_op_count: Count | None = None
    start_time_us: Count | None = None
    entire_frame_compile_time_s: Seconds | None = None
    guard_count: Count | None = None
    guard_latency_us: Seconds | None = None
    """Microseconds to evaluate its guards once, with the processor's caches flushed."""
    dynamo_config: str | None = None
    inductor_config: str | None = None
    restart_reasons: list[str] | None = None
    fail_type: str | None = None
    fail_reason: str | None = None
    fail_user_frame_filename: str | None = None
    fail_user_frame_lineno: Count | None = None


class Measured(Ids):
    """Dynamo has finished a frame."""

    compilation_metrics: Metrics = msgspec.field(default_factory=Metrics)


class Fixed(msgspec.Struct):
    """Of `symbolic_shape_specialization`: a size that was dynamic, and that the traced code fixed to one value."""

    sources: list[str] = []
    value: str = ""
    user_stack: list[StackEntry] | None = None


class Specialized(Ids):
    """A dynamic size or int became a constant while a frame was traced."""

    symbolic_shape_specialization: Fixed = msgspec.field(default_factory=Fixed)


class Tensor(msgspec.Struct):
    """Of `describe_tensor`: what torch knows of a tensor that is traced."""

    describer_id: Count = 0
    id: Count = 0
    dtype: str = ""
    size: list[Any] = []


class Described(Ids):
    """A tensor, before torch writes what it is called."""

    describe_tensor: Tensor = msgspec.field(default_factory=Tensor)


class Name(msgspec.Struct):
    """Of `describe_source`: the tensor's number, and where the frame has it: `L['x']`."""

    describer_id: Count = 0
    id: Count = 0
    source: str = ""


class Named(Ids):
    """Where the frame has a tensor that was described before."""

    describe_source: Name = msgspec.field(default_factory=Name)


class Version(msgspec.Struct):
    """The payload of `torch_version`."""

    pytorch_version: str | None = None


class EventArguments(msgspec.Struct):
    """What is read of the `args` of a timed event."""

    compile_id: str | None = None
    """`3/1`, `!0/3/1` under compiled autograd, or the text `None`."""


class Timed(msgspec.Struct):
    """The payload of `chromium_event`: `ph` is B for a begin, E for an end; `ts` is in microseconds since 1970."""

    name: str = ""
    ts: Moment = 0.0
    ph: str = ""
    args: EventArguments = msgspec.field(default_factory=EventArguments)


class Cached(msgspec.Struct):
    """The payload of what a cache answered. `components`: `[hash] name: value` for each part of the key."""

    key: str | None = None
    components: list[str] | None = None
    cache_bypass_reason: str | None = None
    time_saved_ns: float | None = None
    time_saved_ms: float | None = None


AOT_GRAPHS = ("aot_forward_graph", "aot_backward_graph", "aot_inference_graph")
"""AOTAutograd's graphs, in which the collectives of DTensor are calls like any other."""
CACHES = tuple(
    f"artifact:{cache}_cache_{answer}" for cache in ("fx_graph", "aotautograd") for answer in ("hit", "miss", "bypass")
)
"""What torch's caches of compiled code answered."""

KINDS: dict[str, Any] = {
    "str": Interned,
    "dynamo_start": Started,
    "dynamo_output_graph": Ids,
    "compilation_metrics": Measured,
    "chromium_event": Ids,
    "artifact:dynamo_graph_break_reason": Ids,
    "artifact:dynamo_error": Ids,
    "artifact:recompile_reasons": Ids,
    "artifact:torch_version": Ids,
    "artifact:compile_doctor_graph": Ids,
    "inductor_output_code": Ids,
    "symbolic_shape_specialization": Specialized,
    "describe_tensor": Described,
    "describe_source": Named,
    "dynamo_cpp_guards_str": Ids,
    **dict.fromkeys(AOT_GRAPHS, Ids),
    **dict.fromkeys(CACHES, Ids),
}
"""The type of a record's header, by kind."""
