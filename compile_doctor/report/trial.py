"""What recipes changed between a run without them and a run with them."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Finding


@dataclass(frozen=True)
class Trial:
    """The differences, completely computed; pairs are (without, with) the recipes."""

    recipes: tuple[Patch, ...]
    """The recipes of the second run, in their state at its end."""
    verdict: tuple[str, str]
    gone: tuple[Finding, ...]
    new: tuple[Finding, ...]
    attention: tuple[tuple[str, str, str], ...]
    """(place, verdict before, verdict after) of each call whose verdict changed; "–" if the call was not reached."""
    max_difference: tuple[float | None, float | None]
    """The largest difference from eager mode, without and with the recipes."""
    compile_seconds: tuple[float, float]
