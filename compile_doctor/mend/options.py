"""What `fix` is asked for, beside the options of the diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compile_doctor.errors import UsageError
from compile_doctor.mend.rewrites import rewrites


@dataclass(frozen=True)
class Options:
    """The options of one search."""

    budget: float = 900.0
    """Seconds for the whole search."""
    cases: int = 20
    """Other inputs on which the outputs are compared."""
    packages: bool = False
    """Whether files of installed packages may be changed, in a copy."""
    only: tuple[str, ...] = ()
    """Names of rewrites; empty: all."""
    timed: bool = False
    """Whether a compiled call is measured before and after."""
    resume: Path | None = None
    """The folder in which the search is kept."""


def check_names(names: tuple[str, ...]) -> None:
    """Raises UsageError for the name of a rewrite that does not exist."""
    known = [one.name for one in rewrites()]
    for name in names:
        if name not in known:
            raise UsageError(f"--only {name}: there is no such rewrite.", f"There are: {', '.join(sorted(known))}.")
