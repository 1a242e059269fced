"""The checks: one file per code, found by their file name `cdNNN_name.py`; each defines `CHECK`."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from compile_doctor.checks.base import Check


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by code. A new file in this package is all that a new check needs."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("cd"))
    return tuple(import_module(f"{__name__}.{name}").CHECK for name in names)


def find_check(code: str) -> Check | None:
    """The check with this code (`CD101`) or name (`graph-break`), upper or lower case."""
    wanted = code.strip().lower()
    return next((check for check in all_checks() if wanted in (check.code.lower(), check.name)), None)
