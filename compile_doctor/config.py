"""`[tool.compile-doctor]` of pyproject.toml: targets, baseline directory, waivers. An unknown key names the nearest known one."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from compile_doctor.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, before it came with Python
    import tomli as tomllib

OWNERS = ("mine", "dependency", "torch")


@dataclass(frozen=True)
class Waiver:
    """A finding that is known and put up with, until a day."""

    code: str
    place: str
    """`path/file.py`, or `path/file.py:Class.method`."""
    reason: str
    expires: datetime.date
    target: str = ""
    """Empty: any target."""


@dataclass(frozen=True)
class GateTarget:
    """One `[[tool.compile-doctor.targets]]`; the options are those of `diagnose`."""

    name: str
    target: str
    tokens: int | None = None
    device: str | None = None
    backend: str | None = None
    mode: str | None = None
    dynamic: bool | None = None
    grad: bool = False
    as_is: bool = False
    repeat: int = 2
    patches: str | None = None
    require_fused: bool = False
    timeout: float = 900.0
    memory_limit: str | None = None
    numerics: bool = False
    max_compile_seconds: float | None = None
    max_peak_bytes: int | None = None


@dataclass(frozen=True)
class Configuration:
    """What the file says; flags and the environment come on top."""

    file: Path
    baseline_dir: Path
    targets: tuple[GateTarget, ...]
    owners: tuple[str, ...] = ("mine",)
    """Whose findings fail the gate."""
    waivers: tuple[Waiver, ...] = ()
    jobs: int = 1
    cache: bool | None = None
    """Whether `check` may answer from its cache; None: yes, but not in CI."""
    notes: tuple[str, ...] = field(default=())


def read_configuration(start: Path | None = None) -> Configuration:
    """The nearest pyproject.toml with a `[tool.compile-doctor]`, from a directory upwards. Raises UsageError for a mistake."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            table = _load(file).get("tool", {}).get("compile-doctor")
            if table is not None:
                return _configuration(file, table)
    raise UsageError(
        "There is no pyproject.toml with a [tool.compile-doctor] here or above.",
        hint='[[tool.compile-doctor.targets]]\nname = "model"\ntarget = "model.py"',
    )


def in_ci() -> bool:
    """Whether the environment says so."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def choose(names: Sequence[str]) -> tuple[Configuration, tuple[GateTarget, ...]]:
    """The configuration, and the targets that were named (all, where none was). Works from the configuration's folder."""
    configuration = read_configuration()
    os.chdir(configuration.file.parent)
    known = {target.name: target for target in configuration.targets}
    if not known:
        raise UsageError(f"{configuration.file} has no [[tool.compile-doctor.targets]].")
    for name in names:
        if name not in known:
            raise UsageError(f"There is no target {name!r} in {configuration.file}: {', '.join(known)}.")
    return configuration, tuple(known[name] for name in names) if names else configuration.targets


def _load(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        return found
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from error


def _configuration(file: Path, table: Mapping[str, Any]) -> Configuration:
    where = f"{file}: [tool.compile-doctor]"
    found = _checked(
        where,
        table,
        {"baseline-dir": str, "targets": list, "owners": list, "waivers": list, "jobs": int, "cache": bool},
    )
    targets = tuple(
        _entry(f"{where} targets[{number}]", one, GateTarget) for number, one in enumerate(found.get("targets", []))
    )
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{where}: two targets are named {name!r}.")
    owners = tuple(found.get("owners", ("mine",)))
    for owner in owners:
        if owner not in OWNERS:
            raise UsageError(f"{where}: owners are {', '.join(OWNERS)}, not {owner!r}.")
    waivers = tuple(
        _entry(f"{where} waivers[{number}]", one, Waiver) for number, one in enumerate(found.get("waivers", []))
    )
    if found.get("jobs", 1) < 1:
        raise UsageError(f"{where}: jobs is at least 1.")
    return Configuration(
        file,
        file.parent / found.get("baseline-dir", ".compile-doctor"),
        targets,
        owners,
        waivers,
        found.get("jobs", 1),
        found.get("cache"),
    )


_TYPES = {
    "str": str,
    "str | None": str,
    "int": int,
    "int | None": int,
    "float": (int, float),
    "float | None": (int, float),
    "bool": bool,
    "bool | None": bool,
    "datetime.date": datetime.date,
}


def _entry(where: str, table: Any, kind: Any) -> Any:
    """A dataclass from a table, whose keys are its fields with dashes."""
    if not isinstance(table, dict):
        raise UsageError(f"{where} is no table.")
    known = {one.name.replace("_", "-"): one for one in fields(kind)}
    found = _checked(where, table, {key: _TYPES[str(one.type)] for key, one in known.items()})
    for key, one in known.items():
        required = one.default is one.default_factory  # both are MISSING then
        if required and not found.get(key):
            raise UsageError(f"{where}: {key} is missing.")
    return kind(**{key.replace("-", "_"): value for key, value in found.items()})


def _checked(where: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in table.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            raise UsageError(f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "."))
        wrong = not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool)
        if wrong or isinstance(value, datetime.datetime):
            raise UsageError(f"{where}: {key} = {value!r} is of the wrong type.")
    return dict(table)
