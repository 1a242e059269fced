"""A long text, packed: graphs and generated code, which few readers look at."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

LONGEST = 200_000
"""Bytes of one text; the rest is cut."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """A text, or only its size if there was no room for it."""

    size: int
    """Bytes of the whole text."""
    packed: bytes = b""

    @property
    def text(self) -> str | None:
        """As much of it as was kept; None if it was not."""
        return zlib.decompress(self.packed).decode(errors="replace") if self.packed else None


def kept(beginning: bytes, size: int) -> KeptText:
    """Keeps the beginning of a text of this size."""
    return KeptText(size, zlib.compress(beginning, 1))
