"""What Dynamo and Inductor count."""

from __future__ import annotations

import torch


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
