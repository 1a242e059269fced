"""How much of a page something takes: whatever the report has, a page stays below 5 MB and says what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from markupsafe import Markup

SIZE = 4_600_000
"""Characters of a page without its frame."""
_TEXT, _ELEMENT = 20, 90
"""What the markup around a text and around a record takes."""
Item = TypeVar("Item")


def weight(value: Any) -> int:
    """About the characters that a value takes in the page."""
    if isinstance(value, Markup):
        return len(value) + _TEXT
    if isinstance(value, str):
        return len(value) + _TEXT + 4 * sum(map(value.count, "<>&\"'"))
    if isinstance(value, Mapping):
        return sum(weight(one) for pair in value.items() for one in pair)
    if isinstance(value, (tuple, list)):
        return sum(map(weight, value))
    if is_dataclass(value) and not isinstance(value, type):
        return _ELEMENT + sum(weight(getattr(value, one.name)) for one in fields(value))
    return 8


def fitting(items: Iterable[Item], room: float) -> tuple[Item, ...]:
    """The first items, as many as there is room for. Later ones are not even made."""
    found = []
    for item in items:
        room -= weight(item)
        if room < 0:
            break
        found.append(item)
    return tuple(found)
