"""What is compiled, in which state torch.compile is, and how to leave it out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch


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


def compile_by_default(backend: Any) -> None:
    """What the target compiles itself, without naming a backend, uses this one: `module.compile()` calls torch.compile too."""
    torch.compile.__kwdefaults__["backend"] = backend


def compiled_parts(value: object) -> list[str]:
    """The names of a module's parts that are compiled by themselves, by torch.compile or in place: an outer torch.compile
    would inline them, and no longer show what the program does."""
    if not isinstance(value, torch.nn.Module):
        return []
    return [name for name, part in value.named_modules() if name and is_compiled(part)]


def keeps_out(value: object) -> bool:
    """Whether `value`, or a module's forward, is under torch.compiler.disable: only what it compiles itself is compiled."""
    return bool(getattr(getattr(value, "forward", value), "_torchdynamo_disable", False))


def keep_out_of_graphs(package: str) -> None:
    """Stops Dynamo from tracing functions of this package, as it does for torch's own."""
    from torch._dynamo import trace_rules

    if package not in _kept_out:  # each call makes Dynamo compile a regular expression over all its folders
        trace_rules.add(package)
        _kept_out.add(package)


_kept_out: set[str] = set()


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


def guards_hooks() -> bool:
    """Whether compiled code notices hooks that a module gets later; by default it does not."""
    from torch._dynamo import config

    return not config.skip_nnmodule_hook_guards


def forget_compilations() -> None:
    """Resets Dynamo's caches and counters to those of a new process."""
    from torch._dynamo import utils

    torch._dynamo.reset()
    utils.counters.clear()
    utils.clear_compilation_metrics()
    utils.compilation_time_metrics.clear()
