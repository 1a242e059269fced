"""`[tool.compile-doctor]` of pyproject.toml: targets, baseline directory, waivers.

A gate must not be switched off by accident: a possible typing error is an error, never a default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compile_doctor.capture.safe_files import read_bytes
from compile_doctor.errors import UsageError
from compile_doctor.gate.config_checks import check_folder, check_kind, check_size, check_waiver
from compile_doctor.gate.config_records import EXAMPLES, entries_of, place_of, read_record, wrong_form
from compile_doctor.gate.config_tables import OWNERS, GateTarget, Owner, Table, Waiver

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, before it came with Python
    import tomli as tomllib

LARGEST = 1 << 20
"""Largest size of a pyproject.toml in bytes."""


@dataclass(frozen=True)
class Configuration:
    """The contents of the file; options and the environment override it."""

    file: Path
    baseline_dir: Path
    targets: tuple[GateTarget, ...]
    owners: tuple[Owner, ...] = ("mine",)
    """Whose findings fail the gate."""
    waivers: tuple[Waiver, ...] = ()
    jobs: int = 1
    cache: bool | None = None
    """Whether `check` may use its cache; None: yes, except in CI."""


def read_configuration(start: Path | None = None) -> Configuration:
    """Reads the nearest pyproject.toml with a `[tool.compile-doctor]`, from a directory upwards. Raises UsageError."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if os.path.lexists(file):
            table = load_table(file)
            if table is not None:
                return _configuration(file, table)
    raise UsageError(
        "This folder and its parents have no pyproject.toml with a [tool.compile-doctor] table. Add one, such as",
        hint=EXAMPLES["targets"].format("model"),
    )


def in_ci() -> bool:
    """Whether the environment has CI=true."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def choose(names: Sequence[str]) -> tuple[Configuration, tuple[GateTarget, ...]]:
    """The configuration, and the targets with these names (all for no names). Changes to the configuration's folder."""
    configuration = read_configuration()
    os.chdir(configuration.file.parent)
    known = {target.name: target for target in configuration.targets}
    if not known:
        raise UsageError(
            f"{configuration.file} has no [[tool.compile-doctor.targets]]. Add one, such as",
            hint=EXAMPLES["targets"].format("model"),
        )
    for name in names:
        if name not in known:
            raise UsageError(f"{configuration.file} has no target {name!r}. It has {', '.join(known)}.")
    return configuration, tuple(known[name] for name in dict.fromkeys(names)) if names else configuration.targets


def parse_owners(text: str) -> tuple[Owner, ...]:
    """The owners in `--owners mine,torch`. Raises UsageError for an unknown owner or an empty list."""
    found = [one.strip() for one in text.split(",")]
    unknown = [one for one in found if one not in OWNERS]
    if unknown:
        raise UsageError(
            f"--owners {text!r}: {unknown[0]!r} is not a valid owner."
            f" Give some of {', '.join(OWNERS)}, separated by commas."
        )
    return tuple(owner for owner in OWNERS if owner in found)


def load_table(file: Path) -> dict[str, Any] | None:
    """The table, or None if the file does not have it."""
    try:
        found = tomllib.loads(read_bytes(file, LARGEST).decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 (byte {error.start}).") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # what the parser does not handle: huge numbers, deep nesting
        raise UsageError(f"{file} cannot be read: {error}.") from error
    tools = found.get("tool", {})
    table = tools.get("compile-doctor") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{file}: tool.compile-doctor is not a table. Write it as", hint="[tool.compile-doctor]")
    return table


def _configuration(file: Path, table: Mapping[str, Any]) -> Configuration:
    for key, example in EXAMPLES.items():
        if isinstance(table.get(key), dict):
            raise wrong_form(file, key, table[key], example)
    found = read_record(f"{file}: [tool.compile-doctor]", table, Table)
    targets = entries_of(file, "targets", found.targets, GateTarget)
    waivers = entries_of(file, "waivers", found.waivers, Waiver)
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"{file}: [[tool.compile-doctor.targets]]: two targets are named {name!r}. Rename one of them."
            )
    for target in targets:
        check_kind(place_of(file, "targets", target.name), target)
        if target.memory_limit is not None:
            check_size(place_of(file, "targets", target.name), target.memory_limit)
    for number, waiver in enumerate(waivers, 1):
        check_waiver(place_of(file, "waivers", number), waiver, names)
    folder = file.parent / found.baseline_dir
    check_folder(f"{file}: [tool.compile-doctor]: baseline-dir = {found.baseline_dir!r}", folder)
    return Configuration(file, folder, targets, found.owners, waivers, found.jobs, found.cache)
