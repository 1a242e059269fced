"""Typed records from the tables of a TOML file; an error names the table, the key and the value, and says what it has to be."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from compile_doctor.errors import UsageError

EXAMPLES = {
    "targets": '[[tool.compile-doctor.targets]]\nname = "{}"\ntarget = "model.py"',
    "waivers": '[[tool.compile-doctor.waivers]]\ncode = "CD101"\nplace = "model.py:Model.forward"\n'
    'reason = "example.org/issues/12"\nexpires = 2027-01-31',
}


def wrong_form(file: Path, key: str, table: Mapping[str, Any], example: str) -> UsageError:
    """For `[tool.compile-doctor.targets.gpt]`, which looks right but has another meaning in TOML."""
    inner = next((str(name) for name, value in table.items() if isinstance(value, dict)), "")
    written = f"[tool.compile-doctor.{key}{'.' if inner else ''}{inner}]"
    return UsageError(
        f"{file}: {written}: {key} are a list of tables. Write each with two pairs of brackets:",
        hint=example.format(inner or table.get("name") or "model"),
    )


Kind = TypeVar("Kind", bound=Struct)


def entries_of(file: Path, key: str, found: Sequence[Any], kind: type[Kind]) -> tuple[Kind, ...]:
    entries = []
    for number, table in enumerate(found, 1):
        if not isinstance(table, dict):
            raise UsageError(
                f"{place_of(file, key, number)} = {shown(table)} is not a table. Write it as",
                hint=EXAMPLES[key].format("model"),
            )
        name = table.get("name")
        entries.append(
            read_record(place_of(file, key, name if name and isinstance(name, str) else number), table, kind)
        )
    return tuple(entries)


def place_of(file: Path, key: str, which: str | int) -> str:
    return f"{file}: [[tool.compile-doctor.{key}]] {which if isinstance(which, int) else repr(which)}"


def read_record(where: str, table: Mapping[str, Any], kind: type[Kind]) -> Kind:
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
            return f"{key} = {shown(table[key])} {wrong}: it has to be {_wanted(field.type)}."
    return ""


def _wanted(kind: Any) -> str:
    """The description of a field's type, `X | None` included."""
    for one in (kind, *get_args(kind)):
        for meta in getattr(one, "__metadata__", ()):
            if meta.description:
                return str(meta.description)
    return "a list"


def shown(value: Any) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, (datetime.date, datetime.time)) else repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
