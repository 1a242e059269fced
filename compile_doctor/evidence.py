"""What was seen: frozen records that every check reads, and nothing else does more than read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a Python stack, outermost first in the tuples that hold it."""

    file: str
    line: int
    function: str
    code: str = ""


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
    fail_type: str | None = None
    fail_reason: str | None = None
    fail_at: tuple[str, int] | None = None
    error: str = ""
    """Dynamo's own account of the failure (`dynamo_error`), shortened."""
    restarts: tuple[str, ...] = ()
    """Why tracing began again, first lines; torch 2.8 and 2.9 know some breaks only as a restart."""
    recompile_reasons: tuple[str, ...] = ()
    """The failed guard per cached entry, newest first; empty for a first compilation."""

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


@dataclass(frozen=True, slots=True)
class Child:
    """How one child process of the doctor ended."""

    mode: str
    """`diagnose`, `control` (the eager run alone) or `command`."""
    exit_code: int | None
    signal: str | None = None
    ended: str = "exited"
    """`exited`, `signal`, `timeout` or `interrupted`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What one process' Dynamo counted by itself, to reconcile with the trace."""

    process: str
    counters: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one diagnosis saw, in the order in which it was seen."""

    target: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
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
    sources: Mapping[str, str] = field(default_factory=dict)
    """Text of the files that findings may point to, as they were when the target ran."""
    bytecode: Mapping[str, Any] = field(default_factory=dict)
    """What depyf made of the frames that broke."""
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Trace records that this version cannot read, counted by kind."""
    notes: tuple[str, ...] = ()
    """What could not be read or was left out, in words."""

    def failure(self, phase: str) -> Failure | None:
        return next((failure for failure in self.failures if failure.phase == phase), None)
