"""Keeps control characters of the user's code and paths out of the terminal."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Value = TypeVar("Value")


def without_controls(value: Value) -> Value:
    """The same value with every control character in its strings shown as `\ufffd`; tabs and line feeds stay."""
    cleaned: Any = value
    if isinstance(value, str):
        cleaned = _CONTROL.sub("\ufffd", value)
    elif isinstance(value, tuple):
        cleaned = tuple(without_controls(item) for item in value)
    elif isinstance(value, dict):
        cleaned = {without_controls(key): _kept_lines(item) for key, item in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        cleaned = replace(
            value, **{field.name: without_controls(getattr(value, field.name)) for field in fields(value)}
        )
    result: Value = cleaned
    return result


def _kept_lines(value: Any) -> Any:
    """Carriage returns end lines in sources, and line numbers must not move."""
    return without_controls(re.sub(r"\r\n?", "\n", value) if isinstance(value, str) else value)
