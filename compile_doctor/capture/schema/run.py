"""Events of every run: phases, exceptions, Dynamo's logs and counters, comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from compile_doctor.capture.schema.tensors import Inputs
from compile_doctor.model.evidence import Patch
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.model.units import Count, Moment, Seconds, Size, Word

PhaseName = Literal["import", "build", "inputs", "compiled", "eager", "numerics"]
LogKind = Literal["graph_break", "recompile", "limit", "warning", "cudagraph"]
PhaseState = Literal["begun", "done", "failed", "refused"]


@dataclass(frozen=True)
class Start:
    """The first event of a process that compiles."""

    argv: Sequence[str]
    python: str
    rank: str | None = None
    path: Sequence[str] = ()
    """sys.path of the process."""


@dataclass(frozen=True)
class End:
    """The last event of a process: the number of events before it. If it is missing, evidence was lost."""

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
    """`as_is`: the target calls torch.compile itself; `parts`: submodules that it has compiled when it is built."""

    as_is: bool
    parts: Count = 0


@dataclass(frozen=True)
class CompiledRun:
    """Dynamo's graphs before and after the compiled run, and settings that may keep it from compiling."""

    graphs_before: Count
    graphs_after: Count
    stance: str
    disabled: bool


@dataclass(frozen=True)
class CleanCache:
    """The target failed under Inductor, and passes with an empty cache instead of these folders."""

    folders: tuple[str, ...]


@dataclass(frozen=True)
class Phase:
    """A phase has begun or ended; `refused`: compile-doctor did not run it, because it would not fit into memory."""

    name: PhaseName
    state: PhaseState
    seconds: Seconds | None = None


@dataclass(frozen=True)
class Run:
    """A call of the target begins; `index` counts from 0 within its phase, or within a run of --numerics (`float64`, …)."""

    phase: Word
    index: Count


@dataclass(frozen=True)
class Called:
    """A call of the target has returned, and its device is done; not written under --numerics, which stores tensors."""

    phase: Word
    index: Count
    seconds: Seconds
    begun: Moment | None = None


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
    """Dynamo's own counters."""

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
    doubt: str | None = None
    """Why a large difference proves nothing; empty if a second look confirms it, None if there was none."""


@dataclass(frozen=True)
class Bytecode:
    """A frame decompiled by depyf: the file's name in `bytecode/`, or why there is none."""

    function: str
    file: str
    line: Count
    text: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class NeverCalled:
    """torch.compile was called by the last frame of the stack, and what it returned was never called."""

    stack: Sequence[Frame]
    function: str
    module: bool = False
    """Whether it compiled a module; False for a function or method, module.compile() included."""
    owner: str = ""
    """The class of the module in module.compile()."""


@dataclass(frozen=True)
class CalledInVain:
    """torch.compile was called by the last frame of the stack, what it returned was called, and there is no graph at all."""

    stack: Sequence[Frame]
    function: str
    owner: str = ""
    """The class of the module in module.compile()."""
    of_torch: bool = False
    """Whether the forward of that class is in torch's own files."""


@dataclass(frozen=True)
class LateHook:
    """A module got a hook after a graph had taken in its forward: the graph does not call it."""

    module: str
    type: str
    kind: Word
    """`forward_hook`, `forward_pre_hook`, …"""
    hook: str
    file: str = ""
    line: Count = 0
    """Where the hook itself is defined."""


@dataclass(frozen=True)
class Generated:
    """A function whose code is in no file, and what it stands for: the function that was decorated, or its class."""

    file: str
    """Not a file: `<string>`, `<attrs generated …>`."""
    line: Count
    """The function's first line in the generated code."""
    function: str
    at: Frame


@dataclass(frozen=True)
class Modules:
    """The user's own files that were loaded."""

    files: Sequence[str]


@dataclass(frozen=True)
class Patches:
    """The requested recipes, in their state at the end."""

    recipes: Sequence[Patch]


@dataclass(frozen=True)
class Note:
    """A note for the reader of the report."""

    text: str


@dataclass(frozen=True)
class Lost:
    """Something happened that could not be observed or written: evidence is missing."""

    text: str
