"""One recipe, as its YAML file has it; nothing here imports torch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACTIONS = ("patch", "config", "warn")


@dataclass(frozen=True)
class Replacement:
    """An attribute of torch's that gets what a function of the patch makes of it."""

    attribute: str
    """`module:Class.method`."""
    maker: str
    """The function in `patches/`: it takes the original and returns what is put in its place."""
    known: tuple[str, ...]
    """Fingerprints of the sources that the patch was written for; another source is refused."""
    versions: str = ""
    """Where the attribute lies there, as PEP 440 has it; empty: wherever the recipe applies."""

    @property
    def module(self) -> str:
        """The module that has to be imported first."""
        return self.attribute.partition(":")[0]


@dataclass(frozen=True)
class Registration:
    """Something that is added to a registry of torch's: `maker()` gives an object with add(), remove() and present()."""

    module: str
    maker: str
    versions: str = ""


@dataclass(frozen=True)
class Setting:
    """A configuration value of torch's; changed only where it still has the value it was shipped with."""

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
    """How a diagnosis recognises the defect: a finding with one of the codes whose words match, or an error that does."""

    codes: tuple[str, ...] = ()
    message: re.Pattern[str] | None = None
    stack: str = ""
    """A function of torch's that has to be on the stack, where the message alone could be anything."""


@dataclass(frozen=True)
class Recipe:
    """A known defect, the versions that have it, and, unless `action` is "warn", what mends it."""

    id: str
    title: str
    explanation: str
    affects: dict[str, str]
    """Package to PEP 440 range; all must match."""
    action: str
    file: Path
    workaround: str = ""
    """What to write by hand instead."""
    fixed_in: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    """`platform`, `machine` and `device` that it is about, one value each or several with | between; `uses`
    (flex_attention or sdpa), `head_dim` of its queries, and `source` (a pattern for the target's own files): where it can
    matter at all."""
    upstream: tuple[str, ...] = ()
    default: bool = False
    """Safe, and changes no documented behaviour: `auto` applies it. Else it is applied by name only."""
    silent_wrong_result: bool = False
    patch: str | None = None
    """The module in `patches/`."""
    replaces: tuple[Replacement, ...] = ()
    registers: tuple[Registration, ...] = ()
    config: tuple[Setting, ...] = ()
    signature: Signature = Signature()
    verify: str = ""
    """A program that fails without the recipe and passes with it."""
    verify_fails: re.Pattern[str] | None = None
    """What the failure reads like: another one proves nothing."""

    @property
    def code(self) -> Path | None:
        """The file of the patch: `patches/` beside the recipes' own folder, or within a user's."""
        if self.patch is None:
            return None
        folders = (self.file.parent.parent / "patches", self.file.parent / "patches")
        return next((at / f"{self.patch}.py" for at in folders if (at / f"{self.patch}.py").is_file()), None)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules whose import it waits for, all versions together."""
        changes: tuple[Replacement | Registration | Setting, ...] = (*self.replaces, *self.registers, *self.config)
        return tuple(dict.fromkeys(one.module for one in changes))
