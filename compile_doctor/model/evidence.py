"""The evidence: frozen records that every check reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from compile_doctor.model.asked import Asked
from compile_doctor.model.attention import AttentionEvidence, Tensor
from compile_doctor.model.comparisons import Comparison
from compile_doctor.model.compilations import Break, CalledInVain, Compilation, Counts, LateHook, LogRecord, NeverCalled
from compile_doctor.model.cuda_graphs import CudaGraphFunction
from compile_doctor.model.guards import GuardCost
from compile_doctor.model.ranks import CompileCall, Ranks
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.model.timeline import Call, Span
from compile_doctor.model.units import Seconds, Word


@dataclass(frozen=True)
class Rung:
    """One size of the ladder of `--tokens`."""

    tokens: int
    evidence: Evidence | None
    """None if it was not run."""
    reason: str = ""
    """Why it was not run."""
    predicted: int | None = None
    """Bytes that the dense path would have needed, according to its growth at the smaller sizes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The target raised: in which phase, the chain of exceptions, and the traceback as Python prints it."""

    phase: str
    chain: tuple[ErrorLink, ...]
    text: str
    attention: tuple[Tensor | None, ...] = ()
    """Query, key and value of the flex_attention call that was running, if there was one."""


@dataclass(frozen=True, slots=True)
class Child:
    """How one child process of compile-doctor ended."""

    mode: Literal["diagnose", "control", "command", "test"]
    """`control`: only the eager run; `test`: a block of a test, in the test's own process."""
    exit_code: int | None = None
    signal: str | None = None
    ended: Literal["exited", "signal", "timeout", "interrupted"] = "exited"
    seconds: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A recipe in the target's process: its state (active, refused, failed, too-late, …) and the reason for it."""

    id: Word
    state: Word
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the probe recorded about the run as a whole."""

    convention: str = ""
    """How the target file was understood."""
    as_is: bool = False
    """The target calls torch.compile itself."""
    compiled_parts: int = 0
    """Submodules that the target has compiled when it is built: a reason to run it as it is."""
    nothing_new: bool = False
    """No graph was compiled in the compiled run: all graphs were made while the target was imported or built."""
    restrained: str = ""
    """What kept torch.compile from compiling, or from compiling again, at the end of the compiled run."""
    damaged_cache: tuple[str, ...] = ()
    """Inductor's folders, if the target fails with what lies there and passes with empty ones."""
    runs: int = 0
    """Calls of the target in one phase."""
    warm_call: float | None = None
    """Wall-clock seconds of the quickest call of the compiled run after its first; None if there was only one."""
    search_path: tuple[str, ...] = ()
    """sys.path of the processes."""
    files: tuple[str, ...] = ()
    """The user's own files that were loaded."""
    float8_layers: tuple[str, ...] = ()
    memory_left: int | None = None
    """Bytes of memory that the target may still use after the compiled runs."""
    not_a_target: str = ""
    usage: str = ""
    """torch.compile's error about the options."""
    probe_error: str = ""
    not_compared: str | None = None
    """Why there is no difference between compiled and eager output."""
    unlike: str | None = None
    """How the two outputs differ in something else than numbers."""
    doubt: str = ""
    """Why a large difference between the two does not show that the compiled result is wrong."""
    looked_twice: bool = False
    """Eager ran again, changed in small ways, to find that out."""
    largest_output: float | None = None
    random: bool = False
    """The target draws random numbers."""
    compared_at: int | None = None
    """The number of tokens at which the eager control ran, if it is another than the largest."""
    patches_seen: bool = False
    """The probe recorded the state of the recipes."""
    beyond_limit: Mapping[str, int] = field(default_factory=dict)
    """Number of recompilations that torch refused, by frame."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one diagnosis observed, in the order of its observation."""

    asked: Asked
    facts: Facts = field(default_factory=lambda: Facts())
    environment: Mapping[str, Any] = field(default_factory=dict)
    compilations: tuple[Compilation, ...] = ()
    aside: tuple[Span, ...] = ()
    """What torch timed outside of any compilation."""
    calls: tuple[Call, ...] = ()
    """When the target was called; empty for a command, and in captures of compile-doctor 0.1."""
    guards: tuple[tuple[str, GuardCost], ...] = ()
    """The guards of each compilation, with its process; empty in captures of compile-doctor 0.1."""
    breaks: tuple[Break, ...] = ()
    logs: tuple[LogRecord, ...] = ()
    never_called: tuple[NeverCalled, ...] = ()
    called_in_vain: tuple[CalledInVain, ...] = ()
    """Compiled and not used by itself: dropped, or only inlined into what is compiled around it."""
    late_hooks: tuple[LateHook, ...] = ()
    generated: Mapping[tuple[str, int, str], Frame] = field(default_factory=dict)
    """By name, first line and function of code that is in no file: the function or class in a file that it stands for."""
    compile_calls: tuple[CompileCall, ...] = ()
    """The calls of torch.compile of a rank; empty for a program without ranks, and in captures of compile-doctor 0.1."""
    counts: tuple[Counts, ...] = ()
    failures: tuple[Failure, ...] = ()
    children: tuple[Child, ...] = ()
    phases: Mapping[str, str] = field(default_factory=dict)
    """`begun`, `done`, `failed` or `refused`, by phase (`import`, `build`, `compiled`, `eager`, …)."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock seconds of each finished phase."""
    max_difference: float | None = None
    """Largest absolute difference between compiled and eager output, if they could be compared."""
    comparisons: tuple[Comparison, ...] = ()
    """The comparisons of `--numerics` and `parity`, in the order of the runs; empty without them."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Text of the files that findings may point to, from the time of the run."""
    bytecode: Mapping[str, Any] = field(default_factory=dict)
    """The frames that broke, decompiled by depyf."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Number of trace records that this version cannot read, by kind."""
    attention: AttentionEvidence = field(default_factory=AttentionEvidence)
    cuda_graphs: tuple[CudaGraphFunction, ...] | None = None
    """What Inductor wrapped for CUDA graphs; None if nobody counted it."""
    patches: tuple[Patch, ...] = ()
    """The requested recipes, in their state at the end of the run."""
    rungs: tuple[Rung, ...] = ()
    """The sizes of `--tokens`, smallest first; this evidence is that of the largest one that was run."""
    earlier: Evidence | None = None
    """Of `coldstart`: the same target in an earlier process, with the cache that was empty then and is used now."""
    before: str = ""
    """The name of another run's capture, of `report --before`: `earlier` is that run, whose cache is not the one of this run."""
    notes: tuple[str, ...] = ()
    """Notes of the probe, such as what it could not observe."""
    damage: tuple[str, ...] = ()
    """Damage of the capture as a whole: no seal, members that are missing, changed or added."""
    lost: tuple[str, ...] = ()
    """Records that exist but could not be read, each with its file and line."""
    unended: tuple[str, ...] = ()
    """Processes that compiled and whose last event is missing, one sentence each."""
    ranks: Ranks = field(default_factory=Ranks)
    """The ranks of a distributed run: the rest is then that of one rank of each group that did the same."""
    mesh: str = ""
    """This rank's coordinates in its device mesh."""
    standing: tuple[Frame, ...] = ()
    """Where the main thread was shortly before the time limit ended it, outermost first."""
    cached: bool = False
    """Whether it comes from the cache of `check`."""

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
