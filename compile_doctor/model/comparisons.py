"""Comparisons of runs: compiled with eager mode and float64, decoding with the full run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.model.units import Count, Size


@dataclass(frozen=True, slots=True)
class Compared:
    """One tensor of a run, compared with the same tensor of the reference run."""

    name: str
    """`output`, `gradient of blocks.0.q_proj.weight`, `buffer bn.running_mean`, …"""
    dtype: str
    """The dtype that explains rounding: the coarsest of the tensor's, the parameters' and the inputs'."""
    error: Size | None
    """Largest absolute difference from the reference (for integers: elements that differ); None if `note` has more."""
    scale: Size = 0.0
    """Largest absolute value of the reference; for a gradient at least a hundredth of the largest gradient's."""
    eager_error: Size | None = None
    """The error of eager mode, if the reference is a float64 run; None if eager mode itself is the reference."""
    relative: Size | None = None
    """Largest difference from eager mode, divided by eager's largest value."""
    noise: Size | None = None
    """Change of eager's result if parameters and inputs move by one step of their dtype; None: not tried."""
    exact: bool = False
    """Whether it has integers or booleans, which are not rounded."""
    note: str = ""
    """`NaN in compiled only`, …"""


@dataclass(frozen=True, slots=True)
class Explained:
    """A change to one kind of call, at one line, with which decoding equals the full run, as a run has shown."""

    kind: str
    """`arange`, `slice`, `write`, `causal` or `triangle`: see `probe/parity/shifts.py`."""
    frame: Frame
    chunk: Count
    sites: Count = 1
    """Lines whose calls had to be changed together; `frame` is the first."""
    by: int = 0
    """Positions by which they were moved; 0: they start at the chunk's first position instead of 0."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where along the sequence decoding differs from the full run."""

    chunk: Count
    length: Count
    differing: Count
    first: Count | None
    """The first position that differs, from 0; None if none does."""
    shift: int | None = None
    """s, if row p of the decoded output is row p + s of the full one for every p that differs; else None."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run compared with another: forward or backward, of the whole model or decoded in chunks."""

    case: str
    """`compiled-vs-eager`, `state-after`, `full`, `chunk-4`, …"""
    direction: str
    implementation: str
    """The backend (`eager-backend` for that name), or `eager` if decoding ran without torch.compile."""
    dtype: str
    depth: Count = 1
    """Number of modules with their own parameters."""
    rows: tuple[Compared, ...] = ()
    """The worst first; all that are not a PASS, and a few more."""
    compared: Count = 0
    """Number of tensors that were compared."""
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
