"""The rewrites: one file each, found by name; each defines `REWRITE`. They only propose: `judge` decides by running."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from compile_doctor.mend.site import Candidate, Site


@dataclass(frozen=True)
class Rewrite:
    """One kind of change."""

    name: str
    causes: tuple[str, ...]
    """Regular expressions for the causes of findings that it may remove."""
    propose: Callable[[Site], Iterator[Candidate]]
    """The ways to rewrite a finding, the best first; none if it does not fit."""
    rank: int = 50
    """Rewrites with a lower rank are tried first: those that keep most of what the program does."""

    @property
    def of_any_cause(self) -> bool:
        """Whether it does not go by the cause: that it does not fit says nothing about a rewrite for one."""
        return ".*" in self.causes

    def fits(self, cause: str) -> bool:
        return any(re.fullmatch(one, cause) for one in self.causes)


@cache
def rewrites() -> tuple[Rewrite, ...]:
    """Every rewrite, in the order in which they are tried. A new file in this package is all that a new one needs."""
    found = [import_module(f"{__name__}.{module.name}").REWRITE for module in pkgutil.iter_modules(__path__)]
    return tuple(sorted(found, key=lambda one: (one.rank, one.name)))


def fitting(cause: str) -> list[Rewrite]:
    """The rewrites for a cause, in the order in which they are tried."""
    return [one for one in rewrites() if one.fits(cause)]
