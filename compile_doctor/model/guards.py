"""What it costs to find out whether compiled code still fits its inputs: the guards, which run at each call."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Count, Size


@dataclass(frozen=True, slots=True)
class SlowGuard:
    """One guard, timed by itself."""

    source: str
    """The value in Dynamo's words: `L['self']._modules['layers']`."""
    guard: str
    """As torch writes it."""
    microseconds: Size


@dataclass(frozen=True, slots=True)
class GuardCost:
    """The guards of one compilation, timed by the probe when they had been built."""

    compile_id: str
    microseconds: Size
    """To evaluate all of them once, when they have just been evaluated: the least that they cost."""
    guards: Count
    python: Count
    """Those that call Python (torch's LAMBDA_GUARD); the others are C++."""
    slowest: tuple[SlowGuard, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedGuards:
    """The guards of one compilation, with its function."""

    process: str
    frame: Frame
    cost: GuardCost
    flushed: float | None
    """torch's own figure: microseconds with the processor's caches flushed, as after a large kernel."""
