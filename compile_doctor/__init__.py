"""compile-doctor: what went wrong under torch.compile, where, why, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "applied", "apply", "revert", "status"]

if TYPE_CHECKING:
    from compile_doctor.recipes.engine import applied, apply, revert, status


def __getattr__(name: str) -> Any:
    """The recipes' functions, imported when they are asked for: `--help` and `compile_doctor.auto` have to be quick."""
    if name not in __all__:
        raise AttributeError(f"module 'compile_doctor' has no attribute {name!r}")
    from compile_doctor.recipes import engine

    return getattr(engine, name)
