"""The probe's evidence about attention: in graphs, during execution, and in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Bytes


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input of attention, as far as it is known."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    type: str
    """The class: `Tensor`, or a subclass such as `Float8TrainingTensor`."""
    made_by: str = ""
    """The operation that computed it, ignoring views and transpositions; empty if it is not known."""
    module: str = ""
    """The module that this operation belongs to (`blocks.0.attn.q_proj`), if there is one."""
    made_at: Frame | None = None


@dataclass(frozen=True, slots=True)
class AttentionNode:
    """One attention call in a graph that Dynamo passed to a backend."""

    api: str
    """`flex_attention`, `sdpa` or `varlen_attn`."""
    node: str
    """Its name in the graph."""
    stack: tuple[Frame, ...]
    inputs: tuple[Tensor | None, ...]
    """Query, key and value."""
    output_dtype: str | None
    cast_back: bool = False
    """Whether the next operation casts the result."""
    autocast: str | None = None
    """The dtype to which autocast casts there."""
    mask: tuple[int, ...] = ()
    """For flex_attention: batch, heads, queries and keys of its BlockMask; empty without one, or if it is not known."""
    conditional: bool = False
    """Whether a run of the graph need not run it: a side of torch.cond, the body of a while_loop."""
    key: str = ""
    """For SDPA: the key of `AttentionEvidence.choices` for these inputs."""
    tma: bool = False
    """Whether flex_attention's kernel_options ask for TMA (`USE_TMA`)."""
    lengths: tuple[int, ...] = ()
    """For varlen_attn: the number of sequences, and the most queries and keys of one; empty if it is not known."""


@dataclass(frozen=True, slots=True)
class CompiledFunction:
    """A function with its own torch.compile, whose options are not torch's defaults."""

    function: str
    stack: tuple[Frame, ...]
    """The stack of the call of torch.compile."""
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """Attention in a graph whose scores are written out, not a call of SDPA or flex_attention."""

    how: str
    """`matmul` (softmax between two products), `broadcast` (the same, a product written as a multiplication and a sum), `sink` (the same, over a score more that no key has), `chosen` (the same, and some scores are chosen by the others of their row), `mixed-heads` (the same, and the scores of all heads are combined), `weights` (MultiheadAttention), `fast-path` (TransformerEncoderLayer)."""
    nodes: tuple[str, ...]
    stack: tuple[Frame, ...]
    scores: tuple[int, ...]
    """(…, queries, keys)."""
    inputs: int
    """Elements of query, key and value together."""
    dtype: str
    dropout: bool = False
    """A dropout is applied to the weights."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph that contains attention, or a function that was compiled with other options."""

    number: int
    """1, 2, … within one process; the probe's events use it to name the graph."""
    backend: str
    attention: tuple[AttentionNode, ...]
    inlined: tuple[CompiledFunction, ...]
    callers: tuple[Frame, ...] = ()
    """The callers of the compiled frame, outermost first."""
    written: tuple[Written, ...] = ()
    collectives: tuple[tuple[Frame, ...], ...] = ()
    """The stack of each call of a collective, in the graph's order."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A `torch.compiler.disable` wrapper that a call went through."""

    function: str
    module: str
    recursive: bool


@dataclass(frozen=True, slots=True)
class DenseCall:
    """flex_attention's dense path was executed, observed at the operator."""

    process: str
    graph: int | None
    """The graph that was running; None outside of a graph."""
    index: int | None
    """Index among the graph's dense calls."""
    stack: tuple[Frame, ...]
    wrappers: tuple[Wrapper, ...]
    modes: tuple[str, ...]
    """Active TorchDispatchModes, outermost first."""
    state: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class EagerSdpa:
    """Python called scaled_dot_product_attention or varlen_attn, in the profiled call."""

    process: str
    graph: int | None
    """The graph that ran as Python (backend `eager`); None outside of graphs."""
    stack: tuple[Frame, ...]
    backend: str | None
    inputs: tuple[Tensor | None, ...]
    peak: int
    largest: int
    key: str = ""
    api: str = "sdpa"
    """`sdpa` or `varlen_attn`."""
    lengths: tuple[int, ...] = ()
    """For varlen_attn: the number of sequences, and the most queries and keys of one."""


@dataclass(frozen=True, slots=True)
class MaskMade:
    """create_block_mask ran in Python, in the profiled call."""

    stack: tuple[Frame, ...]
    peak: int
    largest: int
    """Bytes of its largest allocation: query tokens × key tokens if the mask was materialised."""
    queries: int | None = None
    keys: int | None = None
    """Query and key tokens of the mask; None if the capture does not have them."""


@dataclass(frozen=True, slots=True)
class MaskTable:
    """A table of queries × keys that a graph passed to SDPA, and what it equals."""

    process: str
    graph: int
    node: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    pattern: str
    """`none`, `causal`, `window`, `padding` or `causal-padding`; `other` for everything else."""


POINTS = 500
"""Of the memory of a call over time."""


@dataclass(frozen=True, slots=True)
class Window:
    """Memory while a graph, its backward, a dense call, or the whole call (`call`) ran, in the profiled call."""

    name: str
    peak: int
    """Bytes: the highest sum of allocations that were not yet freed."""
    largest: int
    """Bytes of the largest single allocation."""
    kernels: tuple[str, ...] = ()
    """CUDA kernels of attention in the profiler's events."""
    series: tuple[tuple[int, int], ...] = ()
    """Of `call`: microseconds since it began, and bytes from then on, on the device that the target runs on."""


@dataclass(frozen=True, slots=True)
class DisabledCompiled:
    """`torch.compiler.disable` was applied to something compiled, and unwrapped it."""

    function: str
    module: str
    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class SdpaChoice:
    """The backend that torch chooses for some inputs, and its reasons against the fused ones."""

    choice: str | None
    refused: Mapping[str, tuple[str, ...]]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DenseRefused:
    """compile-doctor stopped a dense call that would not fit into memory."""

    phase: str
    needed: Bytes
    left: int
    """Bytes that were left; negative if more than the limit was in use."""


@dataclass(frozen=True)
class AttentionEvidence:
    """The probe's evidence about attention from the whole run."""

    watched: bool = False
    """Whether there was a probe: a bare trace has no information about executions."""
    ran: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """How often each graph ran, by (process, graph number); 1 if the process died before it wrote its counts."""
    dense: tuple[DenseCall, ...] = ()
    refused: tuple[DenseRefused, ...] = ()
    eager_sdpa: tuple[EagerSdpa, ...] = ()
    masks: tuple[MaskMade, ...] = ()
    tables: tuple[MaskTable, ...] = ()
    blocks: Mapping[tuple[str, int, str], bool] = field(default_factory=dict)
    """For a BlockMask with another batch or other heads than the query, by (process, graph number, node): whether its blocks
    differ between batch entries or heads, at the graph's first call."""
    backwards: tuple[tuple[str, int], ...] = ()
    """The graphs whose backward ran while memory was measured, by (process, graph number)."""
    windows: tuple[Window, ...] = ()
    measured: bool = False
    """Whether the memory pass finished."""
    not_measured: str = ""
    """Why not."""
    cuda_graphs_off: bool = False
    """Whether the memory pass ran without the CUDA graphs that were captured."""
    disabled: tuple[DisabledCompiled, ...] = ()
    compiled: tuple[CompiledFunction, ...] = ()
    choices: Mapping[str, SdpaChoice] = field(default_factory=dict)
