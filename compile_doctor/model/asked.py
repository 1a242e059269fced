"""What was requested: the target or command, and the options of `diagnose`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compile_doctor.model.units import Bytes, Count, Positive, Seconds


@dataclass(frozen=True)
class Settings:
    """The options of `diagnose`; None means torch's default."""

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
    require_cudagraphs: bool = False
    patches: str | None = None
    """Recipes to apply: auto, or ids separated by commas."""
    numerics: bool = False
    """Compare every output and gradient with eager mode and float64, and decoding with the full run."""
    arguments: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """`--set`: keyword arguments of build_model(), or of example_inputs() if that takes them."""
    regional: bool = False
    """Compile each of the repeated blocks of the model by itself, instead of the model."""
    chunks: tuple[Count, ...] = ()
    """Positions per step for a target that decodes; empty: 1 and a few larger ones."""


@dataclass(frozen=True)
class Asked:
    """What was requested, as in capture.json."""

    target: str
    """The TARGET of `diagnose`, the command of `run`, `this test`, or `trace` if there is only a trace."""
    cwd: str = ""
    doctor: str = ""
    """Version of compile-doctor."""
    temporary: bool = False
    """Whether the evidence is deleted after the report."""
    command: Sequence[str] | None = None
    """The command of `run`."""
    options: Settings | None = None
    """The options of `diagnose`; None for a command, which has its own."""
    patches: str | None = None
    """Requested recipes for the processes of a command."""
    memory: bool = False
    """Whether a command's attention is measured."""

    @property
    def settings(self) -> Settings:
        """The options, or the defaults if there are none."""
        return self.options or Settings()

    @property
    def recipes(self) -> str | None:
        """The requested recipes, of a target or a command."""
        return self.patches or self.settings.patches
