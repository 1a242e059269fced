"""The guards of a compilation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def on_guards(built: Callable[[Any, dict[str, Any], dict[str, Any]], None]) -> None:
    """Calls built(root of the guards, local variables, global variables) for each compilation whose guards are built, and hold (2.8 to 2.15)."""
    from torch._dynamo import guards

    before = guards.guard_manager_testing_hook_fn

    def hook(manager: Any, local_scope: dict[str, Any], *more: Any) -> None:
        if before is not None:
            before(manager, local_scope, *more)
        built(manager.root, local_scope, getattr(manager, "global_scope", None) or {})

    guards.guard_manager_testing_hook_fn = hook


def inner_guards(manager: Any) -> list[Any]:
    """The managers of the parts of a guarded value; those of a dict's items are kept apart, as pairs for key and value."""
    items = manager.get_key_value_managers().values() if hasattr(manager, "get_key_value_managers") else ()
    return [*manager.get_child_managers(), *(one for pair in items for one in pair if one is not None)]


def epilogue_guards(root: Any) -> list[Any]:
    """The guards that run after all others: symbolic shapes, in Python or in C++ code of their own."""
    return list(root.get_epilogue_lambda_guards())


def is_python_guard(guard: object) -> bool:
    """Whether a guard calls Python."""
    return "LAMBDA" in type(guard).__name__
