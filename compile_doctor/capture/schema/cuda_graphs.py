"""The event about CUDA graphs: what was captured, and how often it was replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.model.cuda_graphs import CudaGraphFunction


@dataclass(frozen=True)
class CudaGraphs:
    """Every function that was wrapped; none, if nothing was, on a device that has CUDA graphs."""

    functions: Sequence[CudaGraphFunction]
