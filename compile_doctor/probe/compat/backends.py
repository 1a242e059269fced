"""Where Dynamo passes graphs to a backend, and what it passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from compile_doctor.recipes.changes import REPLACED


def _over(make: Callable[[Callable[..., Any]], Callable[..., Any]], original: Callable[..., Any]) -> Callable[..., Any]:
    """The probe's wrapper, marked as such, so that a recipe recognises what lies below it as unchanged."""
    made = make(original)
    setattr(made, REPLACED, original)
    return made


def replace_backend_call(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces the method that passes each FX graph to the backend by `make(method)`: method(output_graph, gm, …)."""
    from torch._dynamo.output_graph import OutputGraph

    OutputGraph.call_user_compiler = _over(make, OutputGraph.call_user_compiler)


def replace_unwrap(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces the function with which `torch.compiler.disable` finds the function below all wrappers by `make(function)`."""
    from torch._dynamo import decorators

    decorators.innermost_fn = _over(make, decorators.innermost_fn)


def replace_compile_call(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces the last step of torch.compile by `make(method)`: method(context, function or module)."""
    from torch._dynamo.eval_frame import _TorchDynamoContext

    _TorchDynamoContext.__call__ = _over(make, _TorchDynamoContext.__call__)


def around_each_call(context: Any, begin: Callable[[], Callable[[], None]]) -> None:
    """Calls `begin` before each call of what this context of torch.compile has compiled, and what it returns after it.

    Neither is called where an outer graph inlines the function.
    """
    context.enter_exit_hooks.append(begin)


def register_bytecode_hook(hook: Any) -> Any:
    """Calls `hook(original, transformed)` for each frame; returns a handle with `remove()`."""
    from torch._dynamo.convert_frame import register_bytecode_hook as register

    return register(hook)


def backend_name(output_graph: Any) -> str:
    """`inductor`, `aot_eager`, … as given to torch.compile; for a function, its own name."""
    backend = output_graph.compiler_fn
    for _ in range(5):
        name = getattr(backend, "compiler_name", None) or getattr(backend, "_compiler_name", None)
        if isinstance(name, str):
            return name
        inner = getattr(backend, "_torchdynamo_orig_backend", None)
        if inner is None:
            break
        backend = inner
    return str(getattr(backend, "__name__", type(backend).__name__))


def is_inductor(backend: object) -> bool:
    """Whether `backend` is torch.compile's own wrapper around Inductor, which contains options and mode."""
    return isinstance(backend, torch._TorchCompileInductorWrapper)


def inlined_modules(output_graph: Any, gm: Any) -> tuple[set[str], dict[str, Any]]:
    """torch's names (`L['self'].layers.0`) for the modules whose forward a graph took in; the variables that they start with."""
    root = getattr(output_graph, "root_tx", None)
    if root is None:
        return set(), {}
    paths = {path for node in gm.graph.nodes for path, _ in node.meta.get("nn_module_stack", {}).values()}
    return paths, {"L": root.f_locals, "G": root.f_globals}


def is_packaged(output_graph: Any) -> bool:
    """Whether what the backend returns will be saved to disk (precompilation), and must not be wrapped."""
    return getattr(output_graph, "package", None) is not None
