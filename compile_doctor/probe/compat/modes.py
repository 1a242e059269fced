"""Dispatch modes, profilers and autograd around a call."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import torch


def dispatch_modes() -> list[str]:
    """The TorchDispatchModes that are active, outermost first, by qualified name."""
    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    return [f"{type(mode).__module__}.{type(mode).__qualname__}" for mode in _get_current_dispatch_mode_stack()]


def outside_modes() -> AbstractContextManager[Any]:
    """Suspends the TorchDispatchModes: they would take the profiler's marks, which are operators, for the target's."""
    from torch.utils._python_dispatch import _disable_current_modes

    return _disable_current_modes()


def is_profiling() -> bool:
    """Whether the target's own profiler runs in this thread: torch has only one at a time."""
    return bool(torch._C._autograd._profiler_enabled())


def in_backward() -> bool:
    """Whether autograd runs in this thread."""
    return torch._C._current_graph_task_id() != -1


def compiles_autograd() -> bool:
    """Whether the backward is compiled as a whole: its graph would contain the hooks."""
    module = sys.modules.get("torch._dynamo.compiled_autograd")
    return bool(getattr(module, "compiled_autograd_enabled", False)) or bool(
        getattr(torch._dynamo.config, "compiled_autograd", False)
    )
