"""What Dynamo did: its attempts at frames, its breaks, what its loggers and counters say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compile_doctor.model.attention import Graph
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.stacks import Frame


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
class Specialization:
    """A size or int that torch had made dynamic, and that the traced code fixed to one value."""

    source: str
    """In torch's words: `L['x'].size()[1]`."""
    value: str
    stack: tuple[Frame, ...]
    """The user's lines, outermost first, that needed the value."""


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
    specialized: tuple[Specialization, ...] = ()
    """Dynamic sizes that its code fixed; empty too in captures of compile-doctor 0.1, which did not keep them."""

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
class NeverCalled:
    """What torch.compile returned for a function or a module, and nobody called."""

    function: str
    stack: tuple[Frame, ...]
    """Outermost first; the last frame called torch.compile."""
    module: bool = False


@dataclass(frozen=True, slots=True)
class LateHook:
    """A hook of a module whose forward was in a graph already: the graph does not call it."""

    module: str
    """`self.encoder.proj`, as the compiled function calls it."""
    type: str
    kind: str
    """`forward_hook`, `forward_pre_hook`, `backward_hook` or `backward_pre_hook`."""
    hook: str
    file: str
    """Of the hook's own definition; empty for one that is not a Python function."""
    line: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What one process' Dynamo counted by itself, to reconcile with the trace."""

    process: str
    counters: Mapping[str, Mapping[str, int]]
