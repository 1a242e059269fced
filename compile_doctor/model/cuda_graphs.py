"""What the probe saw of CUDA graphs."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.units import Count


@dataclass(frozen=True)
class CudaGraphFunction:
    """One function that Inductor wrapped for CUDA graphs: a graph, or a partition of it."""

    compile_id: str
    mode: str
    """`forward`, `backward` or `inference`."""
    warm_ups: Count
    recordings: Count
    replays: Count
