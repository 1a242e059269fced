"""Runs held against each other: compiled against eager and float64, decoding against the full run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.model.units import Count, Size


@dataclass(frozen=True, slots=True)
class Compared:
    """One tensor of a run beside the same tensor of the run that it is held against."""

    name: str
    """`output`, `gradient of blocks.0.q_proj.weight`, `buffer bn.running_mean`, …"""
    dtype: str
    """The one that explains rounding: the coarsest of the tensor's, the parameters' and the inputs'."""
    error: Size | None
    """Largest absolute difference from the reference (of integers: elements that differ); None where `note` says more."""
    scale: Size = 0.0
    """Largest absolute value of the reference; of a gradient at least a hundredth of the largest gradient's."""
    eager_error: Size | None = None
    """The same for eager, where the reference is a float64 run; None where eager itself is the reference."""
    relative: Size | None = None
    """Largest difference from eager, over eager's largest value."""
    noise: Size | None = None
    """What eager's result changes by where parameters and inputs move by one step of their dtype; None: not tried."""
    exact: bool = False
    """Integers and truth values."""
    note: str = ""
    """`NaN in compiled only`, …"""


@dataclass(frozen=True, slots=True)
class Explained:
    """A change to one kind of call, at one line, that makes decoding equal the full run: shown by running it so."""

    kind: str
    """`arange`, `slice`, `write`, `causal` or `triangle`: see `probe/parity/shifts.py`."""
    frame: Frame
    chunk: Count
    sites: Count = 1
    """Lines whose calls had to be changed together; `frame` is the first."""
    by: int = 0
    """Positions that they were moved by; 0: they were begun where the chunk does, in place of 0."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where along the sequence decoding differs from the full run."""

    chunk: Count
    length: Count
    differing: Count
    first: Count | None
    """The first position that differs, from 0; None where none does."""
    shift: int | None = None
    """s, where row p of the decoded output is row p + s of the full one for every p that differs."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run held against another: forward or backward, of the whole model or decoded in chunks."""

    case: str
    """`compiled-vs-eager`, `state-after`, `full`, `chunk-4`, …"""
    direction: str
    implementation: str
    """The backend (`eager-backend` for that name), or `eager` where decoding was run without torch.compile."""
    dtype: str
    depth: Count = 1
    """Modules with parameters of their own."""
    rows: tuple[Compared, ...] = ()
    """The worst first; all that are no PASS, and a few more."""
    compared: Count = 0
    """Tensors that were compared."""
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
