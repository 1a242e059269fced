"""What a benchmark ran on: the name of the processor, the dtype, and the facts of `describe_environment`."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from compile_doctor.probe.environment import describe_environment


def ran_on(device: str, dtype: torch.dtype | None) -> dict[str, Any]:
    """The facts by name; `device` is `cpu` or `cuda`."""
    found = describe_environment(device)
    del found["torch_root"]  # a path of this machine
    found["cpu"] = _cpu()
    if dtype is not None:
        found["dtype"] = str(dtype).removeprefix("torch.")
    return found


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
