"""Events of a child of `bench`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from compile_doctor.capture.schema.tensors import Inputs
from compile_doctor.model.stacks import ErrorLink
from compile_doctor.model.units import Count, Seconds


@dataclass(frozen=True)
class Plan:
    """What a child of `bench` will measure: cases, sizes and implementations."""

    kind: str
    convention: str
    groups: Sequence[Any]


@dataclass(frozen=True)
class Begun:
    """An implementation is prepared, or timed."""

    implementation: str
    doing: Literal["prepare", "time"]


@dataclass(frozen=True)
class Outcome:
    """The result of an implementation's first calls."""

    implementation: str
    status: str | None = None
    reason: str | None = None
    first: Seconds | None = None
    compiled: bool | None = None
    cached: bool | None = None
    difference: float | None = None
    tolerance: float | None = None
    positions: Count | None = None
    peak: int | None = None
    chain: tuple[ErrorLink, ...] = ()
    text: str = ""
    attention: Inputs | None = None


@dataclass(frozen=True)
class Timed:
    """Seconds of one call, over all that were timed so far."""

    implementation: str
    median: Seconds
    p25: Seconds
    p75: Seconds
    calls: Count
    noisy: bool
    recompiles: Count
