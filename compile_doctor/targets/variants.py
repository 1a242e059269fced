"""The variants of a target: `MATRIX` in its file, and `--axis`; read from the source, without importing it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from compile_doctor.errors import UsageError
from compile_doctor.targets.signature import source_file
from compile_doctor.targets.target import Target

NAME, REQUIREMENTS = "MATRIX", "MATRIX_REQUIREMENTS"
SWITCHES: dict[str, dict[Any, tuple[str, ...]]] = {
    "compile": {True: (), False: ("--as-is",)},
    "grad": {True: ("--grad",), False: ()},
    "numerics": {True: ("--numerics",), False: ()},
    "dynamic": {True: ("--dynamic",), False: ("--no-dynamic",), "auto": ()},
}
"""Axes that are options of `diagnose` without a value: what each value adds to its command line."""
VALUES = ("backend", "mode", "device", "tokens", "patches", "memory-limit")
"""Axes that are options of `diagnose` with a value; `none` leaves the option out."""
WORDS = {"on": True, "true": True, "off": False, "false": False, "none": None}


@dataclass(frozen=True)
class Value:
    """One value of an axis, and what it adds to the command line of `diagnose`."""

    label: str
    options: tuple[str, ...] = ()
    compiled: bool = True
    """False for `compile=off`: nothing is compiled on purpose."""


Axes = Mapping[str, tuple[Value, ...]]


def value_of(text: str) -> Any:
    """`off` → False, `128` → 128, `none` → None, `'128'` → the text 128; anything else is a text as it is."""
    word = text.strip()
    if word.lower() in WORDS:
        return WORDS[word.lower()]
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word
    return value if _is_scalar(value) else word


def text_of(value: Any) -> str:
    """The text that `value_of` reads as this value."""
    if isinstance(value, str):
        return value if value_of(value) == value else repr(value)
    return label_of(value)


def label_of(value: Any) -> str:
    return {"True": "on", "False": "off", "None": "none"}.get(str(value), str(value))


def axes_of(target: Target, asked: Iterable[str]) -> Axes:
    """The axes of the target's `MATRIX`, replaced and followed by those of `--axis NAME=VALUE,…`.

    Raises UsageError for an axis that cannot be read.
    """
    declared = _literal(target, NAME, {})
    if not isinstance(declared, dict):
        raise _wrong(target, f"{NAME} is not a dict of axes")
    axes = {str(name): _declared(target, str(name), values) for name, values in declared.items()}
    for item in asked:
        name, equals, text = item.partition("=")
        if not equals or not name or not text:
            raise UsageError(f"--axis {item}: give NAME=VALUE,VALUE,…, such as compile=off,on or window=none,256.")
        axes[name] = _distinct(f"--axis {item}", [_value(name, value_of(part)) for part in text.split(",")])
    return axes


def requirements_of(target: Target, torch: str | None) -> tuple[str, ...]:
    """What the target needs besides torch: `MATRIX_REQUIREMENTS = {"<2.10": ["torchao==0.13.0"], "": […]}`, by torch.

    With `torch` None, for an environment that exists, nothing is installed.
    """
    declared = _literal(target, REQUIREMENTS, {})
    if not isinstance(declared, dict):
        raise _wrong(target, f"{REQUIREMENTS} is not a dict of lists, by torch version")
    found: list[str] = []
    for versions, names in declared.items():
        try:
            fits = torch is not None and SpecifierSet(versions).contains(torch, prereleases=True)
            found += [str(Requirement(name)) for name in names] if fits else []
        except (InvalidSpecifier, InvalidRequirement, TypeError) as error:
            raise _wrong(target, f"{REQUIREMENTS}[{versions!r}]: {error}") from error
    return tuple(found)


def combinations(axes: Axes) -> list[dict[str, Value]]:
    """Every combination of values, the last axis changing fastest; one without values if there is no axis."""
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def _declared(target: Target, name: str, values: Any) -> tuple[Value, ...]:
    where = f"{NAME}[{name!r}]"
    if isinstance(values, (list, tuple)) and values and all(_is_scalar(one) for one in values):
        return _distinct(f"{target.text}: {where}", [_value(name, one) for one in values])
    if isinstance(values, dict) and values and all(isinstance(one, dict) for one in values.values()):
        return _distinct(f"{target.text}: {where}", [_named(target, where, str(k), one) for k, one in values.items()])
    raise _wrong(target, f"{where} is neither a list of values nor a dict of settings by name")


def _named(target: Target, where: str, label: str, settings: Mapping[Any, Any]) -> Value:
    """A value with a name of its own: arguments of build_model(), and options of `diagnose` as `--backend`."""
    parts = []
    for key, value in settings.items():
        key = str(key)
        if not _is_scalar(value) or not (key.isidentifier() or key.startswith("--")):
            raise _wrong(target, f"{where}[{label!r}]: {key!r} is not an argument, or an option, with a plain value")
        parts.append(_option(key[2:], value) if key.startswith("--") else Value(label, _argument(key, value)))
    options = tuple(option for part in parts for option in part.options)
    return Value(label, options, all(part.compiled for part in parts))


def _value(name: str, value: Any) -> Value:
    return (
        _option(name, value) if name in SWITCHES or name in VALUES else Value(label_of(value), _argument(name, value))
    )


def _option(name: str, value: Any) -> Value:
    """An option of `diagnose`. Raises UsageError for one that a matrix does not vary, or a value that it does not have."""
    if name in SWITCHES:
        known = SWITCHES[name]
        value = value_of(value) if isinstance(value, str) else value
        if value not in known:
            labels = ", ".join(map(label_of, known))
            raise UsageError(f"The axis {name} has no value {label_of(value)!r}. Give one of {labels}.")
        return Value(label_of(value), known[value], name != "compile" or bool(value))
    if name not in VALUES:
        raise UsageError(f"The option --{name} is no axis. Give one of {', '.join((*SWITCHES, *VALUES))}.")
    return Value(label_of(value), () if value is None else (f"--{name}", str(value)))


def _argument(name: str, value: Any) -> tuple[str, ...]:
    if not name.isidentifier():
        raise UsageError(
            f"The axis {name!r} is neither an option of diagnose nor the name of an argument of build_model()."
        )
    return ("--set", f"{name}={text_of(value)}")


def _distinct(where: str, values: list[Value]) -> tuple[Value, ...]:
    labels = [one.label for one in values]
    twice = next((one for one in labels if labels.count(one) > 1), None)
    if twice is not None:
        raise UsageError(f"{where} has the value {twice!r} twice. Leave one out.")
    return tuple(values)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _literal(target: Target, name: str, default: Any) -> Any:
    """The value that the target's file gives to a name at its top level. Raises UsageError unless it is a literal."""
    file = source_file(target)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8", errors="replace")) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return default  # the run shows the error
    for node in tree.body:
        names = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(one, ast.Name) and one.id == name for one in names):
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except ValueError:
                raise _wrong(target, f"{name} (line {node.lineno}) is computed. Write it with plain values") from None
    return default


def _wrong(target: Target, problem: str) -> UsageError:
    return UsageError(
        f"{target.text}: {problem}.",
        hint='For example:  MATRIX = {"compile": ["off", "on"], "window": [None, 256]}',
    )
