"""The one place that knows torch versions: everything private or changing that the probe touches, 2.8 to 2.15."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch

OLDEST = (2, 8)


def version() -> tuple[int, int]:
    """(major, minor) of the torch that runs."""
    major, minor = torch.__version__.split("+")[0].split(".")[:2]
    return int(major), int(minor)


def force_eager() -> AbstractContextManager[Any]:
    """Runs everything inside eagerly, code that was compiled before included (torch.compiler.set_stance, since 2.6)."""
    return torch.compiler.set_stance("force_eager")


def is_compiled(value: object) -> bool:
    """Whether `value` is already compiled: a function or module from torch.compile, or after `module.compile()`."""
    from torch._dynamo.eval_frame import OptimizedModule

    if isinstance(value, OptimizedModule):
        return True
    if isinstance(value, torch.nn.Module):
        return getattr(value, "_compiled_call_impl", None) is not None
    # torch.compiler.disable leaves the same attribute, with a marker of its own.
    marked = "_torchdynamo_orig_callable" in getattr(value, "__dict__", {})
    return marked and not getattr(value, "_torchdynamo_disable", False)


def artifact_loggers(*names: str) -> Iterator[tuple[str, logging.Logger]]:
    """(artifact, logger) for each logger of an artifact such as `graph_breaks`; they exist once Dynamo is imported."""
    from torch._logging import _internal

    for qualified in sorted(_internal.log_registry.get_artifact_log_qnames()):
        for name in names:
            if qualified.endswith(f".__{name}"):
                yield name, logging.getLogger(qualified)


def artifact_enabled(name: str) -> bool:
    """Whether the user asked for the artifact by TORCH_LOGS or set_logs."""
    from torch._logging import _internal

    return bool(_internal.log_state.is_artifact_enabled(name))


def enable_artifact(name: str) -> None:
    """Makes torch write the artifact's records; who prints them is decided by its loggers' handlers."""
    from torch._logging import _internal

    _internal.log_state.enable_artifact(name)


def current_compile_id() -> str | None:
    """`3/1` while frame 3 is compiled for the second time, else None."""
    current = torch._guards.CompileContext.current_compile_id()
    return str(current) if current is not None else None


def counters() -> dict[str, dict[str, int]]:
    """Dynamo's own counters; of the reasons of breaks only the first line, they run to pages."""
    from torch._dynamo.utils import counters as found

    return {
        group: {str(key).strip().split("\n", 1)[0][:200]: int(count) for key, count in values.items()}
        for group, values in found.items()
    }


def metrics_count() -> int:
    """How many compilations Dynamo measured in this process (it keeps the last 64)."""
    from torch._dynamo.utils import get_compilation_metrics

    return len(get_compilation_metrics())


def register_bytecode_hook(hook: Any) -> Any:
    """Calls `hook(original, transformed)` for each frame; returns a handle with `remove()`."""
    from torch._dynamo.convert_frame import register_bytecode_hook as register

    return register(hook)
