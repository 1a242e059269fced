"""What the probe saw of attention: in graphs, when it ran, and in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Bytes


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
