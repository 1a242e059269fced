"""Numbers and words with their limits, for the typed records: a negative line or an empty name is not one.

`msgspec` enforces them when a record is read. Who only writes records, a program's own Python under `run`, may not have it.
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
            """In place of msgspec's: limits that nobody reads."""

            def __init__(self, **limits: Any) -> None:
                """Any limits."""


Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
"""Wall-clock time. JSON has neither NaN nor infinity, so that it is finite."""
Size = Annotated[float, Meta(ge=0)]
"""An absolute value or difference."""
Word = Annotated[str, Meta(min_length=1)]
