"""Spans of lines in one file, and which of them contain a line, without a search through all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Spans(Generic[Item]):
    """Items with their first and last line."""

    def __init__(self, items: Iterable[tuple[int, int, Item]]) -> None:
        self._items = sorted(items, key=lambda one: (one[0], -one[1]))
        self._latest: dict[int, int] = {}
        """By line, the last of the items that contain it; from there `_before` leads to the others."""
        self._before: list[int] = []
        for number, (first, last, _) in enumerate(self._items):
            self._before.append(self._latest.get(first, -1))
            self._latest.update(dict.fromkeys(range(first, last + 1), number))

    def around(self, line: int) -> Iterator[tuple[int, int, Item]]:
        """The spans that contain a line, innermost first."""
        number = self._latest.get(line, -1)
        while number >= 0:
            if self._items[number][1] >= line:
                yield self._items[number]
            number = self._before[number]
