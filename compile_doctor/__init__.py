"""compile-doctor: what went wrong under torch.compile, where, why, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
_API = ("Report", "diagnose", "load", "watch")
_RECIPES = ("applied", "apply", "revert", "status")
__all__ = ["Report", "__version__", "applied", "apply", "diagnose", "load", "revert", "status", "watch"]

if TYPE_CHECKING:
    from compile_doctor.api import Report, diagnose, load, watch
    from compile_doctor.recipes.engine import applied, apply, revert, status


def __getattr__(name: str) -> Any:
    """Imports each name at its first use: `--help` and `compile_doctor.auto` have to be quick."""
    if name in _API:
        from compile_doctor import api

        return getattr(api, name)
    if name in _RECIPES:
        from compile_doctor.recipes import engine

        return getattr(engine, name)
    raise AttributeError(f"module 'compile_doctor' has no attribute {name!r}")
