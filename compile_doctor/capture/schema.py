"""What the probe writes and a capture holds: one typed record for each kind of event, and for each file of a capture.

Shared by the process that is observed and by the doctor that reads. Nothing but Python's own library is needed to write
them: under `run` the program may have a Python without the doctor's dependencies. `reading` checks types and values.

A stack is a list of `Frame`, outermost first. Sizes are in bytes, times in seconds of wall-clock time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child, Comparison, DenseRefused, ErrorLink, Frame, Patch
from compile_doctor.model.units import Bytes, Count, Meta, Positive, Seconds, Size, Word

CAPTURE = "compile-doctor/capture/2"
SEAL = "compile-doctor/seal/1"

PhaseName = Literal["import", "build", "inputs", "compiled", "eager", "numerics"]
LogKind = Literal["graph_break", "recompile", "limit", "warning"]
PhaseState = Literal["begun", "done", "failed", "refused"]


# -- tensors, as the probe describes them ----------------------------------------------------------------------------


class Made(TypedDict):
    """What computed a tensor, behind everything that only rearranges it."""

    by: str
    module: str
    stack: list[Frame]


class _Tensor(TypedDict):
    shape: list[int]
    dtype: str
    device: str
    type: str


class TensorSeen(_Tensor, total=False):
    """A tensor, real or fake. A size that is not known is -1; strides are empty if there are none."""

    strides: list[int]
    requires_grad: bool
    made: Made | None


Inputs = dict[str, TensorSeen | None]  # not quoted: Python 3.10 does not resolve a string in here
"""`query`, `key` and `value`."""


# -- events of every run ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """The first event of a process that compiles."""

    argv: Sequence[str]
    python: str
    rank: str | None = None
    path: Sequence[str] = ()
    """sys.path: where its programs lie."""


@dataclass(frozen=True)
class End:
    """The last event of a process: how many came before it. Without it, evidence was lost."""

    events: Count


@dataclass(frozen=True)
class Environment:
    """Versions, device, and the variables that change what torch.compile does."""

    values: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Target:
    """How the target file was understood."""

    convention: str


@dataclass(frozen=True)
class NotATarget:
    """The file has nothing that can be diagnosed."""

    message: str


@dataclass(frozen=True)
class Usage:
    """torch.compile refuses the options."""

    message: str


@dataclass(frozen=True)
class Compile:
    """`as_is`: the target compiles something by itself."""

    as_is: bool


@dataclass(frozen=True)
class CompiledRun:
    """What Dynamo had compiled before the compiled run began and when it had ended, and what may keep it from compiling."""

    graphs_before: Count
    graphs_after: Count
    stance: str
    disabled: bool


@dataclass(frozen=True)
class Phase:
    """A phase has begun or ended; `refused`: the doctor did not run it, because it would not fit into memory."""

    name: PhaseName
    state: PhaseState
    seconds: Seconds | None = None


@dataclass(frozen=True)
class Run:
    """A call of the target begins; `index` counts from 0 within its phase, or within a run of --numerics (`float64`, …)."""

    phase: Word
    index: Count


@dataclass(frozen=True)
class Raised:
    """An exception of the target: its chain, outermost first, and the traceback as Python prints it."""

    chain: tuple[ErrorLink, ...]
    text: str
    phase: PhaseName | Literal["measure"] = "measure"
    attention: Inputs | None = None
    """Inputs of the flex_attention call that was under way."""


@dataclass(frozen=True)
class ProbeError:
    """The probe itself failed."""

    chain: tuple[ErrorLink, ...]
    text: str
    attention: Inputs | None = None


@dataclass(frozen=True)
class Log:
    """A record of one of torch's loggers."""

    kind: LogKind
    message: str
    compile_id: str | None = None


@dataclass(frozen=True)
class Counters:
    """What Dynamo counted by itself."""

    counters: Mapping[str, Mapping[str, int]]
    metrics: int | None = None


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference of the first call's outputs from eager's, or why there is none."""

    value: Size | None
    scale: Size | None = None
    random: bool = False
    reason: str | None = None
    unlike: str | None = None


@dataclass(frozen=True)
class Bytecode:
    """What depyf made of a frame: the file's name in `bytecode/`, or why there is none."""

    function: str
    file: str
    line: Count
    text: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Modules:
    """The user's own files that were loaded."""

    files: Sequence[str]


@dataclass(frozen=True)
class Patches:
    """The recipes that were asked for, as they are at the end."""

    recipes: Sequence[Patch]


@dataclass(frozen=True)
class Note:
    """What the reader of the report should know, in words."""

    text: str


@dataclass(frozen=True)
class Lost:
    """Something happened that could not be observed or written: evidence is missing."""

    text: str


# -- events of attention ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AttentionWatched:
    """The probe watches attention's operator in this process."""


@dataclass(frozen=True)
class GraphRan:
    """A graph that holds attention ran for the first time."""

    number: Count


@dataclass(frozen=True)
class AttentionCounts:
    """How often each graph and each dense call ran."""

    graphs: Mapping[int, Count]
    dense: Sequence[Count]


class WrapperSeen(TypedDict):
    """A `torch.compiler.disable` wrapper that a call went through."""

    function: str
    module: str
    recursive: bool


@dataclass(frozen=True)
class Dense:
    """flex_attention's dense path runs."""

    graph: Count | None
    index: Count | None
    stack: Sequence[Frame]
    wrappers: Sequence[WrapperSeen]
    modes: Sequence[str]
    state: Mapping[str, Any]
    inputs: Inputs


@dataclass(frozen=True)
class SdpaRan:
    """Python called scaled_dot_product_attention, in the memory pass."""

    stack: Sequence[Frame]
    graph: Count | None
    peak: Bytes
    largest: Bytes
    backend: str | None
    inputs: Inputs


@dataclass(frozen=True)
class MaskMade:
    """create_block_mask ran in Python, in the memory pass."""

    stack: Sequence[Frame]
    peak: Bytes
    largest: Bytes
    queries: Count | None = None
    keys: Count | None = None


@dataclass(frozen=True)
class Memory:
    """Memory while a graph, a dense call or the whole call ran."""

    window: str
    peak: int
    """Negative on CUDA if more was freed than allocated: then nothing was measured."""
    largest: Bytes
    kernels: Sequence[str]


@dataclass(frozen=True)
class MemoryPass:
    """Whether the call under the profiler came to its end, and why not."""

    done: bool
    reason: str | None = None


@dataclass(frozen=True)
class MemoryLeft:
    """What the target may still take; None if the system does not tell."""

    bytes: int | None


@dataclass(frozen=True)
class Float8Layers:
    """Modules with a weight in float8."""

    names: Sequence[str]


@dataclass(frozen=True)
class DisabledCompiled:
    """`torch.compiler.disable` was applied to something compiled."""

    stack: Sequence[Frame]
    function: str
    module: str


@dataclass(frozen=True)
class CompiledFunction:
    """A function with a torch.compile of its own, with options other than torch's defaults."""

    options: Mapping[str, Any]
    function: str
    stack: Sequence[Frame]
    file: str = ""


@dataclass(frozen=True)
class SdpaChoice:
    """torch's choice of a backend for these inputs, and its reasons against the fused ones."""

    inputs: Inputs
    options: Mapping[str, Any]
    choice: str | None = None
    refused: Mapping[str, Sequence[str]] = field(default_factory=dict)
    error: str | None = None


class NodeSeen(TypedDict):
    """An attention call in a graph."""

    api: Literal["flex_attention", "sdpa"]
    node: str
    stack: list[Frame]
    inputs: Inputs
    output: TensorSeen | None
    cast_back: bool
    options: dict[str, Any]


@dataclass(frozen=True)
class GraphSeen:
    """The `compile_doctor_graph` record in torch's trace."""

    number: Count
    backend: str
    attention: Sequence[NodeSeen]
    inlined: Sequence[CompiledFunction]
    callers: Sequence[Frame] = ()


# -- events of bench -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a child of `bench` is going to measure: cases, sizes and implementations."""

    kind: str
    convention: str
    groups: Sequence[Any]


@dataclass(frozen=True)
class Begun:
    """An implementation is prepared, or timed."""

    implementation: str
    doing: Literal["prepare", "time"]


@dataclass(frozen=True)
class Outcome:
    """What the first calls of an implementation gave."""

    implementation: str
    status: str | None = None
    reason: str | None = None
    first: Seconds | None = None
    compiled: bool | None = None
    cached: bool | None = None
    difference: float | None = None
    tolerance: float | None = None
    positions: Count | None = None
    peak: int | None = None
    chain: tuple[ErrorLink, ...] = ()
    text: str = ""
    attention: Inputs | None = None


@dataclass(frozen=True)
class Timed:
    """Seconds of one call, over all that were timed so far."""

    implementation: str
    median: Seconds
    p25: Seconds
    p75: Seconds
    calls: Count
    noisy: bool
    recompiles: Count


EVENTS: dict[str, type] = {
    "start": Start,
    "end": End,
    "environment": Environment,
    "target": Target,
    "not-a-target": NotATarget,
    "usage": Usage,
    "compile": Compile,
    "compiled-run": CompiledRun,
    "phase": Phase,
    "run": Run,
    "failure": Raised,
    "probe-error": ProbeError,
    "log": Log,
    "counters": Counters,
    "difference": Difference,
    "compared": Comparison,
    "bytecode": Bytecode,
    "modules": Modules,
    "patches": Patches,
    "note": Note,
    "lost": Lost,
    "attention-watched": AttentionWatched,
    "graph-ran": GraphRan,
    "attention-counts": AttentionCounts,
    "dense": Dense,
    "dense-refused": DenseRefused,
    "sdpa-ran": SdpaRan,
    "mask-made": MaskMade,
    "memory": Memory,
    "memory-pass": MemoryPass,
    "memory-left": MemoryLeft,
    "float8-layers": Float8Layers,
    "disabled-compiled": DisabledCompiled,
    "compiled-function": CompiledFunction,
    "sdpa-choice": SdpaChoice,
    "plan": Plan,
    "begun": Begun,
    "outcome": Outcome,
    "timed": Timed,
}
"""The word in `event`, and what is beside it in the line."""
KINDS = {kind: word for word, kind in EVENTS.items()}


# -- the files of a capture ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RungListed:
    """One size of `--tokens`: the folder of its capture, or why it was not run."""

    tokens: Positive
    directory: Annotated[str, Meta(pattern=r"^rung-[0-9]{1,12}\Z")] | None = None
    reason: str | None = None
    predicted: Bytes | None = None


@dataclass(frozen=True)
class Manifest:
    """capture.json: what was asked for, and how it ended."""

    schema: Word
    asked: Asked
    children: tuple[Child, ...] = ()
    rungs: tuple[RungListed, ...] = ()


@dataclass(frozen=True)
class Member:
    """One file of a capture, its line ends as `\\n`: bytes, digest, and of events the records."""

    size: Bytes
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    lines: Count | None = None


@dataclass(frozen=True)
class Seal:
    """seal.json, written last: everything else that a capture holds."""

    schema: Word
    members: Mapping[str, Member]
