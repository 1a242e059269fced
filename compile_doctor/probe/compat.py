"""The only module that depends on the torch version, 2.8 to 2.15: private and changing parts that the probe uses."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import CodeType, FunctionType
from typing import Any

import torch

from compile_doctor.recipes.changes import REPLACED

OLDEST = (2, 8)


def version() -> tuple[int, int]:
    """(major, minor) of the imported torch."""
    major, minor = torch.__version__.split("+")[0].split(".")[:2]
    return int(major), int(minor)


def force_eager() -> AbstractContextManager[Any]:
    """Runs everything inside eagerly, including code that is already compiled (torch.compiler.set_stance, since 2.6)."""
    return torch.compiler.set_stance("force_eager")


def same_random() -> AbstractContextManager[Any]:
    """Compiled code draws random numbers with eager's functions in eager's order: the same seed gives the same numbers."""
    from torch._inductor import config

    return config.patch(fallback_random=True)


def is_compiled(value: object) -> bool:
    """Whether `value` is already compiled: a function or module from torch.compile, or after `module.compile()`."""
    from torch._dynamo.eval_frame import DisableContext, OptimizedModule

    if isinstance(value, OptimizedModule):
        return not isinstance(value.dynamo_ctx, DisableContext)
    if isinstance(value, torch.nn.Module):
        return getattr(value, "_compiled_call_impl", None) is not None
    # torch.compiler.disable leaves the same attribute, with a marker of its own.
    marked = "_torchdynamo_orig_callable" in getattr(value, "__dict__", {})
    return marked and not getattr(value, "_torchdynamo_disable", False)


def compiled_parts(value: object) -> list[str]:
    """The names of a module's parts that are compiled by themselves, by torch.compile or in place: an outer torch.compile
    would inline them, and no longer show what the program does."""
    if not isinstance(value, torch.nn.Module):
        return []
    return [name for name, part in value.named_modules() if name and is_compiled(part)]


def keeps_out(value: object) -> bool:
    """Whether `value`, or a module's forward, is under torch.compiler.disable: only what it compiles itself is compiled."""
    return bool(getattr(getattr(value, "forward", value), "_torchdynamo_disable", False))


def artifact_loggers(*names: str) -> Iterator[tuple[str, logging.Logger]]:
    """(artifact, logger) for each logger of an artifact such as `graph_breaks`; they exist after Dynamo is imported."""
    from torch._logging import _internal

    for qualified in sorted(_internal.log_registry.get_artifact_log_qnames()):
        for name in names:
            if qualified.endswith(f".__{name}"):
                yield name, logging.getLogger(qualified)


def artifact_enabled(name: str) -> bool:
    """Whether the user enabled the artifact with TORCH_LOGS or set_logs."""
    from torch._logging import _internal

    return bool(_internal.log_state.is_artifact_enabled(name))


def enable_artifact(name: str) -> None:
    """Makes torch log the artifact's records; the handlers of its loggers decide whether they are printed."""
    from torch._logging import _internal

    _internal.log_state.enable_artifact(name)


def current_compile_id() -> str | None:
    """`3/1` while frame 3 is compiled for the second time; None outside a compilation."""
    current = torch._guards.CompileContext.current_compile_id()
    return str(current) if current is not None else None


def counters() -> dict[str, dict[str, int]]:
    """Dynamo's own counters, with only the first line of each break's reason: some are pages long."""
    from torch._dynamo.utils import counters as found

    return {
        group: {str(key).strip().split("\n", 1)[0][:200]: int(count) for key, count in values.items()}
        for group, values in found.items()
    }


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


def metrics_count() -> int:
    """How many compilations Dynamo measured in this process (it keeps the last 64)."""
    from torch._dynamo.utils import get_compilation_metrics

    return len(get_compilation_metrics())


def graphs_compiled() -> int:
    """How many graphs Dynamo passed to a backend in this process, including recompilations."""
    from torch._dynamo.utils import counters as found

    return int(found["stats"]["unique_graphs"])


def cache_hits() -> int:
    """How many graphs Inductor or AOTAutograd took from their caches on disk instead of compiling them."""
    from torch._dynamo.utils import counters as found

    return int(found["inductor"]["fxgraph_cache_hit"] + found["aot_autograd"]["autograd_cache_hit"])


def register_bytecode_hook(hook: Any) -> Any:
    """Calls `hook(original, transformed)` for each frame; returns a handle with `remove()`."""
    from torch._dynamo.convert_frame import register_bytecode_hook as register

    return register(hook)


def flex_operator() -> Any:
    """The higher-order operator; in `torch._higher_order_ops` the operator shadows its own module."""
    return importlib.import_module("torch._higher_order_ops.flex_attention").flex_attention


def keep_out_of_graphs(package: str) -> None:
    """Stops Dynamo from tracing functions of this package, as it does for torch's own."""
    from torch._dynamo import trace_rules

    if package not in _kept_out:  # each call makes Dynamo compile a regular expression over all its folders
        trace_rules.add(package)
        _kept_out.add(package)


_kept_out: set[str] = set()


def create_block_mask() -> Any:
    """The function create_block_mask, whose code object identifies its frames."""
    return importlib.import_module("torch.nn.attention.flex_attention").create_block_mask


def varlen_codes() -> tuple[CodeType, ...]:
    """The code objects of varlen_attn and varlen_attn_out (from torch 2.10 on), if something has imported them."""
    module = sys.modules.get("torch.nn.attention.varlen")
    found = (getattr(module, name, None) for name in ("varlen_attn", "varlen_attn_out"))
    return tuple(one.__code__ for one in found if isinstance(one, FunctionType))


def _over(make: Callable[[Callable[..., Any]], Callable[..., Any]], original: Callable[..., Any]) -> Callable[..., Any]:
    """The probe's wrapper, marked as such, so that a recipe recognises what lies below it as unchanged."""
    made = make(original)
    setattr(made, REPLACED, original)
    return made


def replace_dense_entry(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces flex_attention's eager kernel by `make(kernel)`: every dense execution goes through it."""
    operator, key = flex_operator(), torch._C.DispatchKey.CompositeExplicitAutograd
    operator.py_kernels[key] = make(operator.py_kernels[key])
    operator._dispatch_cache.clear()


def replace_backend_call(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces the method that passes each FX graph to the backend by `make(method)`: method(output_graph, gm, …)."""
    from torch._dynamo.output_graph import OutputGraph

    OutputGraph.call_user_compiler = _over(make, OutputGraph.call_user_compiler)


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


def guards_hooks() -> bool:
    """Whether compiled code notices hooks that a module gets later; by default it does not."""
    from torch._dynamo import config

    return not config.skip_nnmodule_hook_guards


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


def compiler_state() -> dict[str, Any]:
    """The settings that make compiled code run eagerly without a warning."""
    from torch._dynamo import config, eval_frame

    return {
        "stance": eval_frame._stance.stance,
        "disabled": bool(config.disable),
        "suppress_errors": bool(config.suppress_errors),
    }


def disabled_function(local: dict[str, Any]) -> Any:
    """The function that a frame of torch.compiler.disable's wrapper runs, from the frame's locals; else None."""
    from torch._dynamo.eval_frame import DisableContext

    return local.get("fn") if isinstance(local.get("self"), DisableContext) else None


def trace_artifact(name: str, text: str) -> None:
    """Adds a record to torch's structured trace, as part of the current compilation."""
    from torch._logging import trace_structured

    trace_structured(
        "artifact", lambda: {"name": name, "encoding": "json"}, payload_fn=lambda: text, expect_trace_id=False
    )


@contextmanager
def trace_muted() -> Iterator[None]:
    """Keeps compilations inside the block out of the structured trace: the doctor's own calls are not evidence."""
    from torch._logging import _internal

    handlers = list(_internal.trace_log.handlers)
    for handler in handlers:
        _internal.trace_log.removeHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _internal.trace_log.addHandler(handler)


def retarget_trace(directory: str | None) -> None:
    """Sends torch's structured trace to another directory from now on (None: nowhere), as if the process began now."""
    from torch._logging import _internal, structured

    structured.INTERN_TABLE.clear()
    for handler in list(_internal.trace_log.handlers):
        if isinstance(handler, _internal.LazyTraceHandler):
            handler.root_dir = directory


def forget_compilations() -> None:
    """Resets Dynamo's caches and counters to those of a new process."""
    from torch._dynamo import utils

    torch._dynamo.reset()
    utils.counters.clear()
    utils.clear_compilation_metrics()
    utils.compilation_time_metrics.clear()


@contextmanager
def trace_into(directory: str) -> Iterator[None]:
    """Writes torch's structured trace of the block into a directory, in addition to where it already goes."""
    from torch._logging import _internal, structured

    # File names are written once per process, and referred to by number: this trace needs its own.
    known = dict(structured.INTERN_TABLE)
    structured.INTERN_TABLE.clear()
    handler = _internal.LazyTraceHandler(directory)
    handler.setFormatter(_internal.TorchLogsFormatter(trace=True))
    level = _internal.trace_log.level
    # The trace is not for people to read: pytest adds its handlers to loggers that do not propagate, and would show it.
    others = [one for one in _internal.trace_log.handlers if not isinstance(one, _internal.LazyTraceHandler)]
    for other in others:
        _internal.trace_log.removeHandler(other)
    _internal.trace_log.setLevel(logging.DEBUG)
    _internal.trace_log.addHandler(handler)
    try:
        yield
    finally:
        _internal.trace_log.removeHandler(handler)
        _internal.trace_log.setLevel(level)
        for other in others:
            _internal.trace_log.addHandler(other)
        handler.close()
        structured.INTERN_TABLE.clear()
        structured.INTERN_TABLE.update(known)
