"""Types with limits for the typed records: a line is not negative, a name is not empty.

`msgspec` enforces them when a record is read. A program under `run`, which only writes records, may not have msgspec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from msgspec import Meta as Meta
else:
    try:
        from msgspec import Meta
    except ImportError:

        class Meta:
            """A replacement for msgspec's, which ignores the limits."""

            def __init__(self, **limits: Any) -> None:
                """Accepts any limits."""


Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
"""Wall-clock time in seconds. It is finite, because JSON has neither NaN nor infinity."""
Moment = Annotated[float, Meta(ge=0, lt=1e17)]
"""Microseconds since 1970."""
Size = Annotated[float, Meta(ge=0)]
"""An absolute value or difference."""
Word = Annotated[str, Meta(min_length=1)]
