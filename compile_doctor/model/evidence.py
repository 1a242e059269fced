"""What was seen: frozen records that every check reads, and nothing else does more than read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from compile_doctor.model.asked import Asked
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.units import Bytes, Count, Seconds, Size, Word


class Frame(NamedTuple):
    """One line of a Python stack, outermost first in the tuples that hold it; in JSON a list of four."""

    file: str
    line: Count
    function: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of one of attention's inputs."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    type: str
    """The class: `Tensor`, or a subclass such as `Float8TrainingTensor`."""
    made_by: str = ""
    """The operation that computed it, behind views and transpositions; empty where it is not known."""
    module: str = ""
    """The module that this operation belongs to (`blocks.0.attn.q_proj`), where there is one."""
    made_at: Frame | None = None


@dataclass(frozen=True, slots=True)
class AttentionNode:
    """One attention call in a graph that Dynamo handed to a backend."""

    api: str
    """`flex_attention` or `sdpa`."""
    node: str
    """Its name in the graph."""
    stack: tuple[Frame, ...]
    inputs: tuple[Tensor | None, ...]
    """Query, key and value."""
    output_dtype: str | None
    cast_back: bool = False
    """Whether the result is cast right behind it."""
    key: str = ""
    """Of SDPA's inputs, to find torch's choice of a backend for them."""


@dataclass(frozen=True, slots=True)
class CompiledFunction:
    """A function with a torch.compile of its own whose options are not torch's defaults."""

    function: str
    stack: tuple[Frame, ...]
    """Who called torch.compile."""
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that holds attention, or a function that was compiled with other options."""

    number: int
    """Counts within one process; the probe's events name the graph by it."""
    backend: str
    attention: tuple[AttentionNode, ...]
    inlined: tuple[CompiledFunction, ...]
    callers: tuple[Frame, ...] = ()
    """Who called the frame that was compiled, outermost first."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A `torch.compiler.disable` wrapper that a call went through."""

    function: str
    module: str
    recursive: bool


@dataclass(frozen=True, slots=True)
class DenseCall:
    """flex_attention's dense path was executed: seen at the operator."""

    process: str
    graph: int | None
    """The graph that was running, None outside of one."""
    index: int | None
    """Which of the graph's dense calls it was."""
    stack: tuple[Frame, ...]
    wrappers: tuple[Wrapper, ...]
    modes: tuple[str, ...]
    """Active TorchDispatchModes, outermost first."""
    state: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class EagerSdpa:
    """Python called scaled_dot_product_attention, in the profiled call."""

    process: str
    graph: int | None
    """The graph that ran as Python (backend `eager`); None outside of graphs."""
    stack: tuple[Frame, ...]
    backend: str | None
    inputs: tuple[Tensor | None, ...]
    peak: int
    largest: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class MaskMade:
    """create_block_mask ran in Python, in the profiled call."""

    stack: tuple[Frame, ...]
    peak: int
    largest: int
    """Bytes of its largest allocation: query tokens × key tokens where the mask was written out."""
    queries: int | None = None
    keys: int | None = None
    """How many of each the mask is for, where the capture has it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Memory while a graph, a dense call, or the whole call (`call`) ran, in the profiled call."""

    name: str
    peak: int
    """Bytes: the highest sum of what was allocated and not yet freed."""
    largest: int
    """Bytes of the largest single allocation."""
    kernels: tuple[str, ...] = ()
    """CUDA kernels of attention in the profiler's events."""


@dataclass(frozen=True, slots=True)
class DisabledCompiled:
    """`torch.compiler.disable` was applied to something compiled, and unwrapped it."""

    function: str
    module: str
    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class SdpaChoice:
    """The backend that torch chooses for these inputs, and its reasons against the fused ones."""

    choice: str | None
    refused: Mapping[str, tuple[str, ...]]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DenseRefused:
    """The doctor stopped a dense call that would not fit into memory."""

    phase: str
    needed: Bytes
    left: int
    """Bytes that were left; negative if more than the limit was in use."""


@dataclass(frozen=True)
class AttentionEvidence:
    """What the probe saw of attention while the target ran."""

    watched: bool = False
    """Whether a probe was there at all: a bare trace says nothing of executions."""
    ran: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(process, graph number) to how often it ran; at least 1 where the process died before it could count."""
    dense: tuple[DenseCall, ...] = ()
    refused: tuple[DenseRefused, ...] = ()
    eager_sdpa: tuple[EagerSdpa, ...] = ()
    masks: tuple[MaskMade, ...] = ()
    windows: tuple[Window, ...] = ()
    measured: bool = False
    """Whether the memory pass came to its end."""
    not_measured: str = ""
    """Why not."""
    disabled: tuple[DisabledCompiled, ...] = ()
    compiled: tuple[CompiledFunction, ...] = ()
    choices: Mapping[str, SdpaChoice] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """One size of `--tokens`' ladder."""

    tokens: int
    evidence: Evidence | None
    """None where it was not run."""
    reason: str = ""
    """Why it was not run."""
    predicted: int | None = None
    """Bytes that the dense path would have needed, from the growth below."""


@dataclass(frozen=True, slots=True)
class Break:
    """One graph break that Dynamo recorded: the reason in torch's words and the user's stack."""

    compilation: int
    """Index into `Evidence.compilations`, -1 where the record carries no frame."""
    reason: str
    upstream: str | None
    """torch's id of the cause (`GB0170`), from torch 2.9 on."""
    stack: tuple[Frame, ...]
    recorded_at: tuple[str, int]
    """Where torch says the break is: sometimes only the outermost handler."""
    in_loop: bool
    """Dynamo said that it gave the frame up because the break lies in a loop."""
    source: str
    """The kind of record: `dynamo_graph_break_reason`, or `dynamo_error` where torch wrote no other."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One attempt of Dynamo at one frame, from `dynamo_start` to its metrics."""

    process: str
    frame_id: int
    frame_compile_id: int
    function: str
    file: str
    line: int
    """First line of the frame's function (for a resume function: the line it resumes at)."""
    stack: tuple[Frame, ...]
    """Who called the frame, outermost first, the frame itself last."""
    graphs: int = 0
    """FX graphs handed to the backend, 0 or 1 for a frame."""
    ops: int = 0
    seconds: float | None = None
    """Wall-clock time of the whole frame, backend included; None where torch did not get that far."""
    guarded: bool | None = None
    """Whether code with guards came out; None where the metrics are missing (died on the way)."""
    static: bool = False
    """Compiled with dynamic=False: a new size does not become dynamic. False too where torch did not say."""
    fail_type: str | None = None
    fail_reason: str | None = None
    fail_at: tuple[str, int] | None = None
    error: str = ""
    """Dynamo's own account of the failure (`dynamo_error`), shortened."""
    restarts: tuple[str, ...] = ()
    """Why tracing began again, first lines; torch 2.8 and 2.9 know some breaks only as a restart."""
    recompile_reasons: tuple[str, ...] = ()
    """The failed guard per cached entry, newest first; empty for a first compilation."""

    graph: Graph | None = None
    """What the probe wrote of the graph, where it holds attention."""
    kernels: tuple[Kernel, ...] | None = None
    """Attention kernels in Inductor's code; None where no code was recorded."""

    @property
    def label(self) -> str:
        return f"{self.frame_id}/{self.frame_compile_id}"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of torch's loggers, seen by the probe's handler."""

    process: str
    kind: str
    """`graph_break`, `recompile`, `limit` or `warning`."""
    message: str
    compile_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorLink:
    """One exception of a chain, outermost first."""

    type: str
    message: str
    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """The target raised: in which phase, the chain of exceptions, and the traceback as Python prints it."""

    phase: str
    chain: tuple[ErrorLink, ...]
    text: str
    attention: tuple[Tensor | None, ...] = ()
    """Query, key and value of the flex_attention call that was under way, where there was one."""


@dataclass(frozen=True, slots=True)
class Child:
    """How one child process of the doctor ended."""

    mode: Literal["diagnose", "control", "command", "test"]
    """`control`: the eager run alone; `test`: a block of a test, in the test's own process."""
    exit_code: int | None = None
    signal: str | None = None
    ended: Literal["exited", "signal", "timeout", "interrupted"] = "exited"
    seconds: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What one process' Dynamo counted by itself, to reconcile with the trace."""

    process: str
    counters: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Patch:
    """A recipe in the target's process: its state (active, refused, failed, too-late, …) and the reason for it."""

    id: Word
    state: Word
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One tensor of a run beside the same tensor of the run that it is held against."""

    name: str
    """`output`, `gradient of blocks.0.q_proj.weight`, `buffer bn.running_mean`, …"""
    dtype: str
    """The one that explains rounding: the coarsest of the tensor's, the parameters' and the inputs'."""
    error: Size | None
    """Largest absolute difference from the reference (of integers: elements that differ); None where `note` says more."""
    scale: Size = 0.0
    """Largest absolute value of the reference; of a gradient at least a hundredth of the largest gradient's."""
    eager_error: Size | None = None
    """The same for eager, where the reference is a float64 run; None where eager itself is the reference."""
    relative: Size | None = None
    """Largest difference from eager, over eager's largest value."""
    noise: Size | None = None
    """What eager's result changes by where parameters and inputs move by one step of their dtype; None: not tried."""
    exact: bool = False
    """Integers and truth values."""
    note: str = ""
    """`NaN in compiled only`, …"""


@dataclass(frozen=True, slots=True)
class Explained:
    """A change to one kind of call, at one line, that makes decoding equal the full run: shown by running it so."""

    kind: str
    """`arange`, `slice`, `write`, `causal` or `triangle`: see `probe/parity/shifts.py`."""
    frame: Frame
    chunk: Count
    sites: Count = 1
    """Lines whose calls had to be changed together; `frame` is the first."""
    by: int = 0
    """Positions that they were moved by; 0: they were begun where the chunk does, in place of 0."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where along the sequence decoding differs from the full run."""

    chunk: Count
    length: Count
    differing: Count
    first: Count | None
    """The first position that differs, from 0; None where none does."""
    shift: int | None = None
    """s, where row p of the decoded output is row p + s of the full one for every p that differs."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run held against another: forward or backward, of the whole model or decoded in chunks."""

    case: str
    """`compiled-vs-eager`, `state-after`, `full`, `chunk-4`, …"""
    direction: str
    implementation: str
    """The backend (`eager-backend` for that name), or `eager` where decoding was run without torch.compile."""
    dtype: str
    depth: Count = 1
    """Modules with parameters of their own."""
    rows: tuple[Compared, ...] = ()
    """The worst first; all that are no PASS, and a few more."""
    compared: Count = 0
    """Tensors that were compared."""
    state: Literal["", "N/A", "UNSUPPORTED", "FAIL"] = ""
    """If there are no rows; `FAIL` for a run that raised."""
    reason: str = ""
    chain: tuple[ErrorLink, ...] = ()
    """The exception of a run that raised, outermost first."""
    text: str = ""
    """Its traceback, as Python prints it."""
    positions: Positions | None = None
    explained: Explained | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the probe noted of the run as a whole."""

    convention: str = ""
    """How the target file was understood."""
    as_is: bool = False
    """The target compiles something by itself."""
    nothing_new: bool = False
    """No graph was compiled in the compiled run: what was compiled belongs to the import or the building of the target."""
    restrained: str = ""
    """What kept torch.compile from compiling, or from compiling again, at the end of the compiled run."""
    runs: int = 0
    """Calls of the target in one phase."""
    search_path: tuple[str, ...] = ()
    """sys.path of the processes."""
    files: tuple[str, ...] = ()
    """The user's own files that were loaded."""
    float8_layers: tuple[str, ...] = ()
    memory_left: int | None = None
    """Bytes that the target may still take after the compiled runs."""
    not_a_target: str = ""
    usage: str = ""
    """torch.compile's refusal of the options."""
    probe_error: str = ""
    not_compared: str | None = None
    """Why there is no difference between compiled and eager output."""
    unlike: str | None = None
    """How the two differ in what no number says."""
    largest_output: float | None = None
    random: bool = False
    """The target draws random numbers."""
    compared_at: int | None = None
    """The number of tokens at which the eager control ran, if it is another than the largest."""
    patches_seen: bool = False
    """What became of the recipes was written."""
    beyond_limit: Mapping[str, int] = field(default_factory=dict)
    """Recompilations that torch refused, by frame."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one diagnosis saw, in the order in which it was seen."""

    asked: Asked
    facts: Facts = field(default_factory=lambda: Facts())
    environment: Mapping[str, Any] = field(default_factory=dict)
    compilations: tuple[Compilation, ...] = ()
    breaks: tuple[Break, ...] = ()
    logs: tuple[LogRecord, ...] = ()
    counts: tuple[Counts, ...] = ()
    failures: tuple[Failure, ...] = ()
    children: tuple[Child, ...] = ()
    phases: Mapping[str, str] = field(default_factory=dict)
    """Phase (`import`, `build`, `compiled`, `eager`) to `begun`, `done` or `failed`."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock time per finished phase."""
    max_difference: float | None = None
    """Largest absolute difference between compiled and eager output, where it could be compared."""
    comparisons: tuple[Comparison, ...] = ()
    """What `--numerics` and `parity` compared, in the order of the runs; empty where neither was asked for."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Text of the files that findings may point to, as they were when the target ran."""
    bytecode: Mapping[str, Any] = field(default_factory=dict)
    """What depyf made of the frames that broke."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Trace records that this version cannot read, counted by kind."""
    attention: AttentionEvidence = field(default_factory=AttentionEvidence)
    patches: tuple[Patch, ...] = ()
    """The recipes that were asked for, as they were at the end of the run."""
    rungs: tuple[Rung, ...] = ()
    """The sizes of `--tokens`, smallest first; this evidence is that of the largest one that was run."""
    notes: tuple[str, ...] = ()
    """What the probe could not observe, in words."""
    damage: tuple[str, ...] = ()
    """What is wrong with the capture as a whole: no seal, members that are missing, changed or foreign."""
    lost: tuple[str, ...] = ()
    """Records that were there and could not be read, each with its file and line."""
    unended: tuple[str, ...] = ()
    """Processes that compiled and whose last event is missing, in words."""
    cached: bool = False
    """Whether it is an answer from the cache of `check`."""

    @property
    def target(self) -> str:
        return self.asked.target

    @property
    def has_attention(self) -> bool:
        """Whether any attention call was seen, compiled or run."""
        graphs = any(c.graph and c.graph.attention for c in self.compilations)
        return graphs or bool(self.attention.dense or self.attention.eager_sdpa)

    def failure(self, phase: str) -> Failure | None:
        return next((failure for failure in self.failures if failure.phase == phase), None)
