"""What a run was asked for: the target or command, and the options of `diagnose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.model.units import Bytes, Count, Positive, Seconds


@dataclass(frozen=True)
class Settings:
    """The options of `diagnose`; None leaves torch's default."""

    device: str | None = None
    tokens: Positive | None = None
    backend: str | None = None
    mode: str | None = None
    dynamic: bool | None = None
    grad: bool = False
    as_is: bool = False
    repeat: Positive = 2
    timeout: Seconds = 900.0
    memory_limit: Bytes | None = None
    require_fused: bool = False
    patches: str | None = None
    """Recipes to apply: auto, or ids with commas between."""
    numerics: bool = False
    """Compare exactly: every output and gradient with eager and float64, decoding with the full run."""
    chunks: tuple[Count, ...] = ()
    """Positions per step for a target that decodes; empty: 1 and a few larger ones."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, as capture.json has it."""

    target: str
    """The TARGET of `diagnose`, the command of `run`, `this test`, or `trace` if nothing but a trace is there."""
    cwd: str = ""
    doctor: str = ""
    """Version of compile-doctor."""
    temporary: bool = False
    """Whether the evidence goes away with the report."""
    command: Sequence[str] | None = None
    """Of `run`."""
    options: Settings | None = None
    """Of `diagnose`; None for a command, which has options of its own."""
    patches: str | None = None
    """Recipes that were asked for in a command's processes."""

    @property
    def settings(self) -> Settings:
        """The options, or the defaults if there are none."""
        return self.options or Settings()

    @property
    def recipes(self) -> str | None:
        """The recipes that were asked for, of either."""
        return self.patches or self.settings.patches
