"""What Dynamo did: its attempts to compile frames, its breaks, its logs and counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compile_doctor.model.attention import Graph
from compile_doctor.model.kept_text import KeptText
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import CacheAnswer, Timing


@dataclass(frozen=True, slots=True)
class Break:
    """One graph break that Dynamo recorded: the reason in torch's words and the user's stack."""

    compilation: int
    """Index into `Evidence.compilations`; -1 if the record has no frame."""
    reason: str
    upstream: str | None
    """torch's id of the cause (`GB0170`), since torch 2.9."""
    stack: tuple[Frame, ...]
    recorded_at: tuple[str, int]
    """Where torch reports the break: sometimes only the outermost handler."""
    in_loop: bool
    """Whether Dynamo reported that it gave up the frame because the break is in a loop."""
    source: str
    """The kind of record: `dynamo_graph_break_reason`, or `dynamo_error` if torch wrote no other."""


@dataclass(frozen=True, slots=True)
class Specialization:
    """A size or int that torch had made dynamic, and that the traced code fixed to one value."""

    source: str
    """In torch's words: `L['x'].size()[1]`."""
    value: str
    stack: tuple[Frame, ...]
    """The user's lines, outermost first, that needed the value."""


@dataclass(frozen=True, slots=True)
class Given:
    """A tensor that a frame read: an argument, a global, or an attribute of `self`."""

    name: str
    """In the frame's own words: `x`, `self.step`, `batch['mask']`."""
    dtype: str
    """`torch.float32`"""
    shape: tuple[int, ...]
    """-1 for a size that was not the same in all calls."""
    late: bool = False
    """Read behind a graph break, where the name may stand for something else than at the beginning."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One line of a graph's text."""

    file: str
    line: int
    """Of the innermost line of Python that it comes from; 0 if torch did not write it."""
    dtype: str
    text: str
    """What it computes, shortened: `torch.nn.functional.linear(l_x_, l_w_, l_b_)`."""
    plain: str
    """The same without numbers, by which ranks are compared."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph's text, reduced to what the graphs of several ranks are compared by."""

    digest: str
    """Of the operators and dtypes in their order, without names, sizes and numbers."""
    sizes: tuple[str, ...] = ()
    """The inputs that are no parameters: name, dtype, sizes and strides."""
    collectives: tuple[str, ...] = ()
    """The calls of collectives in their order: `all_reduce('sum', '0')`."""
    constants: tuple[tuple[str, str, int], ...] = ()
    """Numbers that are written into it, with the file and line that computed with them."""
    blocks: int = 0
    """The number of blocks, such as layers, whose parameters are alike; 0 if none repeats."""
    operators: tuple[Operator, ...] = ()
    """The first ones, for the line and the text of what differs."""


@dataclass(frozen=True, slots=True)
class Compilation:
    """One attempt of Dynamo to compile one frame, from `dynamo_start` to its metrics."""

    process: str
    frame_id: int
    frame_compile_id: int
    function: str
    file: str
    line: int
    """First line of the frame's function (for a resume function: the line at which it resumes)."""
    stack: tuple[Frame, ...]
    """The callers of the frame, outermost first, and the frame itself last."""
    graphs: int = 0
    """FX graphs passed to the backend: 0 or 1 for a frame."""
    ops: int = 0
    begun: int | None = None
    """Microseconds since 1970; None if torch did not get to its end."""
    seconds: float | None = None
    """Wall-clock seconds for the whole frame, including the backend; None if torch did not get that far."""
    guarded: bool | None = None
    """Whether the result is code with guards; None if the metrics are missing (the process died before)."""
    guards: tuple[int | None, float | None] = (None, None)
    """torch's own figures: how many there are, and microseconds to evaluate them once with flushed caches."""
    static: bool = False
    """Compiled with dynamic=False: a new size does not become dynamic. Also False if that is unknown."""
    fail_type: str | None = None
    fail_reason: str | None = None
    fail_at: tuple[str, int] | None = None
    error: str = ""
    """Dynamo's own message about the failure (`dynamo_error`), shortened."""
    restarts: tuple[str, ...] = ()
    """The first lines of the reasons why tracing restarted; torch 2.8 and 2.9 report some breaks only as a restart."""
    recompile_reasons: tuple[str, ...] = ()
    """The failed guard per cached entry, newest first; empty for a first compilation."""
    specialized: tuple[Specialization, ...] = ()
    """Dynamic sizes that its code fixed; empty too in captures of compile-doctor 0.1, which did not keep them."""
    inputs: tuple[Given, ...] = ()
    """The tensors that it read up to its break, without those of its submodules; empty too in older captures."""

    graph: Graph | None = None
    """The probe's record of the graph, if it contains attention."""
    kernels: tuple[Kernel, ...] | None = None
    """Attention kernels in Inductor's code; None if no code was recorded."""
    traced: Traced | None = None
    """What the graph's text shows; None if it has no graph."""
    collectives: tuple[str, ...] | None = None
    """The collectives in AOTAutograd's graphs, which have those of DTensor too; None if it wrote no graph."""
    cache: tuple[str, ...] = ()
    """What torch's caches of compiled code answered: `fx_graph_cache_hit`, `aotautograd_cache_miss`, …"""
    answers: tuple[CacheAnswer, ...] = ()
    """The same, with the keys and torch's reasons."""
    timing: Timing | None = None
    """Where its time went; None if torch's timed events are not in the trace."""
    settings: tuple[str, str] = ("", "")
    """Dynamo's and Inductor's settings as torch wrote them, in JSON."""

    graph_text: KeptText | None = None
    """Dynamo's graph as torch printed it."""
    guards_text: KeptText | None = None
    """The tree of its guards, as torch printed it."""
    code_texts: tuple[KeptText, ...] = ()
    """Inductor's code, of the forward and of the backward pass."""

    @property
    def label(self) -> str:
        return f"{self.frame_id}/{self.frame_compile_id}"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of torch's loggers, seen by the probe's handler."""

    process: str
    kind: str
    """`graph_break`, `recompile`, `limit`, `cudagraph` or `warning`."""
    message: str
    compile_id: str | None = None


@dataclass(frozen=True, slots=True)
class NeverCalled:
    """What torch.compile returned for a function or a module, and nobody called."""

    function: str
    stack: tuple[Frame, ...]
    """Outermost first; the last frame called torch.compile."""
    module: bool = False
    owner: str = ""
    """The class of the module in module.compile(), if the capture has it."""


@dataclass(frozen=True, slots=True)
class CalledInVain:
    """What torch.compile returned was called, and yet there is no graph in the process."""

    function: str
    stack: tuple[Frame, ...]
    owner: str = ""
    of_torch: bool = False
    """Whether the forward of the owner, the module in module.compile(), is in torch's own files."""


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
    """Dynamo's own counters of one process, to compare with the trace."""

    process: str
    counters: Mapping[str, Mapping[str, int]]
