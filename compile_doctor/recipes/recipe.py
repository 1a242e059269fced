"""A recipe: the fields of its YAML file; nothing here imports torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACTIONS = ("patch", "config", "warn")


@dataclass(frozen=True)
class Replacement:
    """An attribute of torch that is replaced by what a function of the patch returns for it."""

    attribute: str
    """`module:Class.method`."""
    maker: str
    """The function in `patches/`: it takes the original and returns the replacement."""
    known: tuple[str, ...]
    """Fingerprints of the sources that the patch was written for; any other source is refused."""
    versions: str = ""
    """The versions of torch that have this attribute, a PEP 440 range; empty for all that the recipe affects."""

    @property
    def module(self) -> str:
        """The module that has to be imported first."""
        return self.attribute.partition(":")[0]


@dataclass(frozen=True)
class Registration:
    """An entry for one of torch's registries: `maker()` returns an object with add(), remove() and present()."""

    module: str
    maker: str
    versions: str = ""


@dataclass(frozen=True)
class Setting:
    """A configuration value of torch; it is changed only if it still has torch's default."""

    setting: str
    """`torch._inductor.config:cpp.min_chunk_size`."""
    before: Any
    after: Any
    versions: str = ""

    @property
    def module(self) -> str:
        """The module that has to be imported first."""
        return self.setting.partition(":")[0]


@dataclass(frozen=True)
class Signature:
    """How a diagnosis recognises the defect: a finding with one of the codes and a matching text, or an error."""

    codes: tuple[str, ...] = ()
    message: re.Pattern[str] | None = None
    stack: str = ""
    """A function of torch that has to be on the stack, if the message alone is not specific enough."""


@dataclass(frozen=True)
class Recipe:
    """A known defect, the versions that have it, and, unless `action` is "warn", its fix."""

    id: str
    title: str
    explanation: str
    affects: dict[str, str]
    """{package: PEP 440 range}; all must match."""
    action: str
    file: Path
    workaround: str = ""
    """What to change by hand instead."""
    fixed_in: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    """What else must match for the defect to occur: `platform`, `machine` and `device`, one value each or several
    separated by |; `capability`, a range of the GPU's compute capability (>=9.0,<12.0); `uses` (flex_attention or sdpa); `head_dim` of its queries; `kernel` that computes it (`triton-decode`);
    `queries`, the least number of them; `source`, a pattern for the target's own files."""
    upstream: tuple[str, ...] = ()
    default: bool = False
    """Whether `auto` applies it: it is safe and changes no documented behaviour. Others are applied by name only."""
    silent_wrong_result: bool = False
    later_calls: bool = False
    """Whether the first call is right, so that a comparison of its output with eager mode shows nothing."""
    patch: str | None = None
    """The module in `patches/`."""
    replaces: tuple[Replacement, ...] = ()
    registers: tuple[Registration, ...] = ()
    config: tuple[Setting, ...] = ()
    signature: Signature = Signature()
    verify: str = ""
    """A program that fails without the recipe and passes with it."""
    verify_fails: re.Pattern[str] | None = None
    """A pattern for the expected failure: any other failure proves nothing."""

    @property
    def code(self) -> Path | None:
        """The file of the patch, in `patches/` beside the recipes' folder, or in that folder. None if it is missing."""
        if self.patch is None:
            return None
        folders = (self.file.parent.parent / "patches", self.file.parent / "patches")
        return next((at / f"{self.patch}.py" for at in folders if (at / f"{self.patch}.py").is_file()), None)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules whose import it waits for, for all versions."""
        changes: tuple[Replacement | Registration | Setting, ...] = (*self.replaces, *self.registers, *self.config)
        return tuple(dict.fromkeys(one.module for one in changes))
