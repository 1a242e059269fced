"""Events about attention: graphs that contain it, dense executions, memory, SDPA's choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from compile_doctor.capture.schema.tensors import Inputs, TensorSeen
from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Bytes, Count


@dataclass(frozen=True)
class AttentionWatched:
    """The probe watches attention's operator in this process."""


@dataclass(frozen=True)
class GraphRan:
    """A graph that contains attention ran for the first time."""

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
    """Python called scaled_dot_product_attention or varlen_attn, in the memory pass."""

    stack: Sequence[Frame]
    graph: Count | None
    peak: Bytes
    largest: Bytes
    backend: str | None
    inputs: Inputs
    api: Literal["sdpa", "varlen_attn"] = "sdpa"
    lengths: Sequence[int] = ()
    """varlen_attn's sequences, and the most queries and keys of one; -1 for what is not known."""


@dataclass(frozen=True)
class MaskMade:
    """create_block_mask ran in Python, in the memory pass."""

    stack: Sequence[Frame]
    peak: Bytes
    largest: Bytes
    queries: Count | None = None
    keys: Count | None = None


@dataclass(frozen=True)
class SdpaMask:
    """What the table of queries × keys equals that a graph passed to SDPA as attn_mask, in the memory pass."""

    graph: Count
    node: str
    shape: Sequence[Count]
    dtype: str
    bytes: Bytes
    """What it takes in memory: an expanded dimension takes nothing."""
    pattern: str


@dataclass(frozen=True)
class BlockMaskRead:
    """A BlockMask with another batch or other heads than the query, at the first call of its graph."""

    graph: Count
    node: str
    differs: bool
    """Whether its blocks differ between batch entries or heads."""


@dataclass(frozen=True)
class Memory:
    """Memory while a graph, a dense call or the whole call ran."""

    window: str
    peak: int
    """Negative on CUDA if more was freed than allocated: then nothing was measured."""
    largest: Bytes
    kernels: Sequence[str]
    series: Sequence[tuple[int, int]] = ()
    """Of the whole call: microseconds since it began, and bytes from then on."""


@dataclass(frozen=True)
class BackwardRan:
    """The backward of a graph that contains attention ran while memory was measured; or it may run, and cannot be watched."""

    number: Count


@dataclass(frozen=True)
class MemoryPass:
    """Whether the call under the profiler finished, and why not."""

    done: bool
    reason: str | None = None
    cuda_graphs_off: bool = False
    """Whether what was captured in CUDA graphs ran kernel by kernel: a replay allocates nothing."""


@dataclass(frozen=True)
class MemoryLeft:
    """Bytes of memory that the target may still use; None if that is unknown."""

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


class _Node(TypedDict):
    api: Literal["flex_attention", "sdpa", "varlen_attn"]
    node: str
    stack: list[Frame]
    inputs: Inputs
    output: TensorSeen | None
    cast_back: bool
    options: dict[str, Any]


class NodeSeen(_Node, total=False):
    """An attention call in a graph."""

    autocast: str | None
    """The dtype to which autocast casts there; None without autocast."""
    conditional: bool
    """Whether a run of the graph need not run it: a side of torch.cond, the body of a while_loop."""
    mask: list[int]
    """flex_attention's BlockMask: batch, heads, queries and keys for which it was made; absent without one."""
    tma: bool
    """What flex_attention's kernel_options say about USE_TMA; absent if they say nothing."""
    lengths: list[int]
    """varlen_attn's sequences, and the most queries and keys of one; -1 for what is not known."""


class _Written(TypedDict):
    """Attention whose scores are written out, not a call of SDPA or flex_attention."""

    how: Literal["matmul", "broadcast", "sink", "chosen", "mixed-heads", "weights", "fast-path"]
    nodes: list[str]
    """Its product, softmax and product, or its one call."""
    stack: list[Frame]
    scores: list[int]
    """(…, queries, keys)."""
    inputs: int
    """Elements of query, key and value together."""
    dtype: str
    device: str


class WrittenSeen(_Written, total=False):
    """One, and what only some have."""

    dropout: bool
    """A dropout is applied to the weights; absent without one."""


@dataclass(frozen=True)
class GraphSeen:
    """The `compile_doctor_graph` record in torch's trace."""

    number: Count
    backend: str
    attention: Sequence[NodeSeen]
    inlined: Sequence[CompiledFunction]
    callers: Sequence[Frame] = ()
    written: Sequence[WrittenSeen] = ()
    collectives: Sequence[Sequence[Frame]] = ()
    """The stack of each call of a collective."""
