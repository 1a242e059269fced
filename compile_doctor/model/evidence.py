"""What was seen: frozen records that every check reads, and nothing else does more than read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from compile_doctor.model.asked import Asked
from compile_doctor.model.attention import AttentionEvidence, Tensor
from compile_doctor.model.comparisons import Comparison
from compile_doctor.model.compilations import Break, Compilation, Counts, LateHook, LogRecord, NeverCalled
from compile_doctor.model.stacks import ErrorLink
from compile_doctor.model.units import Seconds, Word


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
class Patch:
    """A recipe in the target's process: its state (active, refused, failed, too-late, …) and the reason for it."""

    id: Word
    state: Word
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the probe noted of the run as a whole."""

    convention: str = ""
    """How the target file was understood."""
    as_is: bool = False
    """The target compiles something by itself."""
    compiled_parts: int = 0
    """Submodules that the target has compiled when it is built: a reason to run it as it is."""
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
    never_called: tuple[NeverCalled, ...] = ()
    """Compiled and not used by itself: dropped, or only inlined into what is compiled around it."""
    late_hooks: tuple[LateHook, ...] = ()
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
