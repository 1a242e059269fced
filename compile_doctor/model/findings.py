"""A finding: one cause at one place, with what was seen and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "info")
OUTCOMES = {"CD001": 2, "CD002": 3, "CD003": 3, "CD105": 3}
"""Findings that end the diagnosis without a verdict, and their exit codes."""


@dataclass(frozen=True)
class Location:
    """A place in source code; `line` counts from 1."""

    file: str
    line: int
    function: str
    snippet: str = ""


@dataclass(frozen=True)
class Cost:
    """What a finding costs, as far as the trace tells."""

    graphs: int = 0
    """Graphs that would not be there without it."""
    seconds: float = 0.0
    """Compile time of those frames, in seconds of wall clock."""


@dataclass(frozen=True)
class Finding:
    """One entry of the report; the fields are those of `findings` in the JSON schema, plus `via` and `cost`."""

    code: str
    name: str
    severity: str
    title: str
    message: str
    location: Location | None = None
    owner: str = "mine"
    count: int = 1
    upstream: str | None = None
    cause: str = ""
    """The normalised cause, stable over values, lines and torch versions: part of the finding's identity."""
    fix: str = ""
    recipe: str | None = None
    evidence: tuple[str, ...] = ()
    via: Location | None = None
    """Where the user's own code leads there, when the place is in a package."""
    cost: Cost = field(default_factory=Cost)
    late: bool = False
    """It says less than its neighbours do, and stands behind them however often it was seen."""
