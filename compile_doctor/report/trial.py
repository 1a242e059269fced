"""What recipes changed: a run without them beside a run with them."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Finding


@dataclass(frozen=True)
class Trial:
    """`before` and `after` are verdicts, figures or texts; nothing in it needs computing any more."""

    recipes: tuple[Patch, ...]
    """The recipes of the second run, with the state each had at its end."""
    verdict: tuple[str, str]
    gone: tuple[Finding, ...]
    new: tuple[Finding, ...]
    attention: tuple[tuple[str, str, str], ...]
    """(place, verdict before, verdict after) of each call whose verdict changed; "–" where it was not reached."""
    max_difference: tuple[float | None, float | None]
    """From eager mode, without and with."""
    compile_seconds: tuple[float, float]
