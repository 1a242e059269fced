"""What Inductor captures as CUDA graphs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_CUDA_GRAPHS = "torch._inductor.cudagraph_trees"


def has_cuda_graphs() -> bool:
    """Whether something may have been captured: Inductor loads its CUDA graph trees only then (torch 2.8 to 2.15)."""
    return _CUDA_GRAPHS in sys.modules


def begin_step() -> None:
    """Tells CUDA graphs that the outputs of earlier calls are done with; nothing if no graph was captured."""
    if has_cuda_graphs():
        torch.compiler.cudagraph_mark_step_begin()


@contextmanager
def without_cuda_graphs() -> Iterator[list[Any]]:
    """Runs what was captured in CUDA graphs kernel by kernel; the value collects what was.

    A replay allocates nothing, and so has no memory to measure. torch itself runs a function in this way if its inputs
    change (CUDAGraphTreeManager._run, torch 2.8 to 2.15).
    """
    trees = sys.modules.get(_CUDA_GRAPHS)
    used: list[Any] = []
    if trees is None:
        yield used
        return

    def run(manager: Any, inputs: Any, function: Any) -> Any:
        used.append(function)
        return manager.ids_to_funcs[function].model(inputs)

    manager = trees.CUDAGraphTreeManager
    original, manager._run = manager._run, run
    try:
        yield used
    finally:
        manager._run = original


def watch_cuda_graphs(saw: Callable[[str, str, str, int], None]) -> None:
    """Calls saw(what, compile id, mode, function) when a function warms up, is recorded or is replayed (2.8 to 2.15)."""
    trees = importlib.import_module(_CUDA_GRAPHS)

    def told(what: str, method: Callable[..., Any], number: Callable[..., Any]) -> Callable[..., Any]:
        def call(manager: Any, *args: Any) -> Any:
            function = number(*args)
            compile_id, mode = manager.id_to_compile_id.get(function), manager.id_to_mode.get(function)
            saw(what, str(compile_id), getattr(mode, "name", str(mode)).lower(), function.id)
            return method(manager, *args)

        return call

    def add(manager: Any, *args: Any, **kwargs: Any) -> Any:
        known = set(manager.id_to_mode)
        result = method(manager, *args, **kwargs)
        for function in set(manager.id_to_mode) - known:  # also of one that torch then runs without a graph
            mode = manager.id_to_mode[function]
            saw(
                "wrapped",
                str(manager.id_to_compile_id.get(function)),
                getattr(mode, "name", str(mode)).lower(),
                function.id,
            )
        return result

    manager = trees.CUDAGraphTreeManager
    method, manager.add_function = manager.add_function, add
    manager.run_eager = told("warm-up", manager.run_eager, lambda inputs, function: function)
    manager.record_function = told("recording", manager.record_function, lambda inputs, function: function)
    manager.execute_node = told("replay", manager.execute_node, lambda node, inputs: node.wrapped_function.id)
