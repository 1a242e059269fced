"""`[tool.compile-doctor]` of pyproject.toml: targets, baseline directory, waivers.

A gate must not be switched off by accident: a possible typing error is an error, never a default.
"""

from __future__ import annotations

import datetime
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from compile_doctor import checks
from compile_doctor.capture.safe_files import read_bytes
from compile_doctor.errors import UsageError
from compile_doctor.model.sizes import parse_size

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same parser, before it came with Python
    import tomli as tomllib

Owner = Literal["mine", "dependency", "torch"]
OWNERS: tuple[Owner, ...] = get_args(Owner)
LARGEST = 1 << 20
"""Largest size of a pyproject.toml in bytes."""
EXAMPLES = {
    "targets": '[[tool.compile-doctor.targets]]\nname = "{}"\ntarget = "model.py"',
    "waivers": '[[tool.compile-doctor.waivers]]\ncode = "CD101"\nplace = "model.py:Model.forward"\n'
    'reason = "example.org/issues/12"\nexpires = 2027-01-31',
}

# What a value has to be. The description ends the message for an invalid value.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
Flag = Annotated[bool, Meta(description="true or false")]
Text = Annotated[str, Meta(pattern=r"\w", description="text with a letter or digit in it")]
Name = Annotated[
    str,
    Meta(
        pattern=rf"^(?=.*\w)[^\\{_UNSEEN}]+\Z",
        description="text with a letter or digit in it, and without backslashes (write /) or invisible characters",
    ),
]
Positive = Annotated[int, Meta(ge=1, le=10**15, description="a whole number of at least 1, and at most 10**15")]
Limit = Annotated[int, Meta(ge=0, le=10**15, description="a whole number from 0 to 10**15")]
Seconds = Annotated[float, Meta(ge=0.1, le=1e6, description="a number of seconds from 0.1 to 1,000,000")]
Day = Annotated[datetime.date, Meta(description="a day without a time or quotes, such as 2027-01-31")]
Owners = Annotated[
    tuple[Owner, ...], Meta(min_length=1, description=f"a list of {', '.join(OWNERS)}, with at least one of them")
]


class Waiver(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """A finding that is known and accepted until a date."""

    code: Name
    place: Name
    """`path/file.py`, or `path/file.py:Class.method`."""
    reason: Text
    expires: Day
    target: Name = ""
    """Empty: any target."""


class GateTarget(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """One `[[tool.compile-doctor.targets]]`; the options are those of `diagnose`, or for a `command` those of `run`."""

    name: Name
    target: Name = ""
    tokens: Positive | None = None
    device: Name | None = None
    backend: Name | None = None
    mode: Name | None = None
    dynamic: Flag | None = None
    grad: Flag = False
    as_is: Flag = False
    repeat: Positive = 2
    patches: Name | None = None
    require_fused: Flag = False
    timeout: Seconds = 900.0
    memory_limit: Name | None = None
    numerics: Flag = False
    max_compile_seconds: Seconds | None = None
    max_peak_bytes: Positive | None = None
    require_cudagraphs: Flag = False
    max_graphs: Positive | None = None
    max_graph_breaks: Limit | None = None
    max_recompiles: Limit | None = None
    """Of each rank, if there are several."""
    command: Text = ""
    """A command line instead of a target, such as `torchrun --nproc-per-node 2 train.py`."""
    ranks: Positive | None = None
    """The number of ranks that have to be seen."""
    same_on_all_ranks: Flag = False


class _Table(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """`[tool.compile-doctor]` itself. Its inner tables are read one by one, so that an error names the table."""

    baseline_dir: Name = ".compile-doctor"
    targets: list[Any] = []
    owners: Owners = ("mine",)
    waivers: list[Any] = []
    jobs: Positive = 1
    cache: Flag | None = None


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
            table = _load(file)
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


def _load(file: Path) -> dict[str, Any] | None:
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
            raise _wrong_form(file, key, table[key], example)
    found = _read(f"{file}: [tool.compile-doctor]", table, _Table)
    targets = _entries(file, "targets", found.targets, GateTarget)
    waivers = _entries(file, "waivers", found.waivers, Waiver)
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"{file}: [[tool.compile-doctor.targets]]: two targets are named {name!r}. Rename one of them."
            )
    for target in targets:
        _check_kind(_place(file, "targets", target.name), target)
        if target.memory_limit is not None:
            _check_size(_place(file, "targets", target.name), target.memory_limit)
    for number, waiver in enumerate(waivers, 1):
        _check_waiver(_place(file, "waivers", number), waiver, names)
    folder = file.parent / found.baseline_dir
    _check_folder(f"{file}: [tool.compile-doctor]: baseline-dir = {found.baseline_dir!r}", folder)
    return Configuration(file, folder, targets, found.owners, waivers, found.jobs, found.cache)


def _wrong_form(file: Path, key: str, table: Mapping[str, Any], example: str) -> UsageError:
    """For `[tool.compile-doctor.targets.gpt]`, which looks right but has another meaning in TOML."""
    inner = next((str(name) for name, value in table.items() if isinstance(value, dict)), "")
    written = f"[tool.compile-doctor.{key}{'.' if inner else ''}{inner}]"
    return UsageError(
        f"{file}: {written}: {key} are a list of tables. Write each with two pairs of brackets:",
        hint=example.format(inner or table.get("name") or "model"),
    )


Kind = TypeVar("Kind", bound=Struct)


def _entries(file: Path, key: str, found: Sequence[Any], kind: type[Kind]) -> tuple[Kind, ...]:
    entries = []
    for number, table in enumerate(found, 1):
        if not isinstance(table, dict):
            raise UsageError(
                f"{_place(file, key, number)} = {_shown(table)} is not a table. Write it as",
                hint=EXAMPLES[key].format("model"),
            )
        name = table.get("name")
        entries.append(_read(_place(file, key, name if name and isinstance(name, str) else number), table, kind))
    return tuple(entries)


def _place(file: Path, key: str, which: str | int) -> str:
    return f"{file}: [[tool.compile-doctor.{key}]] {which if isinstance(which, int) else repr(which)}"


def _read(where: str, table: Mapping[str, Any], kind: type[Kind]) -> Kind:
    """A record from a table whose keys are its fields with dashes. Raises UsageError, which names key and value."""
    try:
        found: Kind = _convert(table, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {_mistake(table, kind) or error}") from None
    return found


def _convert(value: Any, kind: Any) -> Any:
    # TOML has a type for dates: a date in quotes is text.
    return msgspec.convert(value, kind, builtin_types=(datetime.date, datetime.datetime, datetime.time))


def _mistake(table: Mapping[str, Any], kind: type[Struct]) -> str:
    """The first error in a table, field by field, because msgspec names neither the value nor what is expected."""
    fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
    for key in table:
        if key not in fields:
            near = get_close_matches(key, fields, 1)
            return f"unknown key {key!r}; " + (
                f"did you mean {near[0]!r}?" if near else f"the known keys are {', '.join(fields)}."
            )
    for key, field in fields.items():
        if key not in table:
            if field.required:
                return f"{key} is missing."
            continue
        try:
            _convert(table[key], field.type)
        except msgspec.ValidationError as error:
            wrong = "is of the wrong type" if ", got `" in str(error) else "is not valid"
            return f"{key} = {_shown(table[key])} {wrong}: it has to be {_wanted(field.type)}."
    return ""


def _wanted(kind: Any) -> str:
    """The description of a field's type, `X | None` included."""
    for one in (kind, *get_args(kind)):
        for meta in getattr(one, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return "a list"


def _shown(value: Any) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, (datetime.date, datetime.time)) else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


FOR_COMMANDS = (
    *("name", "command", "ranks", "same_on_all_ranks", "patches", "require_fused", "timeout"),
    *("max_compile_seconds", "max_graphs", "max_graph_breaks", "max_recompiles"),
)
"""The keys of a target with a command: the command line decides the rest."""


def _check_kind(where: str, target: GateTarget) -> None:
    """A target is either something to diagnose, or a command to observe."""
    if bool(target.target) == bool(target.command):
        which = "both target and command are given" if target.target else "target is missing"
        raise UsageError(f"{where}: {which}. Give target, or command for a program that calls torch.compile itself.")
    for one in msgspec.structs.fields(GateTarget):
        given = getattr(target, one.name) != one.default
        if given and target.command and one.name not in FOR_COMMANDS:
            raise UsageError(
                f"{where}: {one.encode_name} has no effect on a command. Remove it, or set it within the command."
            )
        if given and target.target and one.name in ("ranks", "same_on_all_ranks"):
            raise UsageError(f"{where}: {one.encode_name} needs a command that starts several ranks.")
    if target.command:
        try:
            words = shlex.split(target.command)
        except ValueError as error:
            raise UsageError(f"{where}: command = {_shown(target.command)} cannot be split: {error}.") from None
        if not words:
            raise UsageError(f"{where}: command is empty.")


def _check_size(where: str, text: str) -> None:
    try:
        parse_size(text)
    except ValueError:
        raise UsageError(f"{where}: memory-limit = {text!r} is not valid: it has to be a size such as 8GB.") from None


def _check_waiver(where: str, waiver: Waiver, targets: Sequence[str]) -> None:
    codes = checks.codes()  # imports no check, because that takes long
    if waiver.code not in codes:
        near = get_close_matches(waiver.code.upper(), codes, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the known codes are {', '.join(codes)}."
        raise UsageError(f"{where}: code = {waiver.code!r} is not the code of a check; {hint}")
    check = checks.find_check(waiver.code)
    if check is not None and check.exit_code is not None:
        raise UsageError(
            f"{where}: code = {waiver.code!r} cannot be waived: a target with this code has no result to compare.",
            hint=f"compile-doctor explain {waiver.code}",
        )
    if waiver.target and waiver.target not in targets:
        raise UsageError(
            f"{where}: target = {waiver.target!r} is not the name of a target; "
            + (f"the names are {', '.join(targets)}." if targets else "the file has no targets.")
        )


def _check_folder(where: str, folder: Path) -> None:
    """Raises UsageError unless the folder exists or can be made."""
    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if not os.path.isdir(there):
        raise UsageError(f"{where} cannot be used as a folder: {there} is not a folder.")
