"""What the target ran on: versions, device, and the settings that change what torch.compile does."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from compile_doctor.probe import devices

VARIABLES = (
    "TORCHDYNAMO_",
    "TORCH_COMPILE_",
    "TORCHINDUCTOR_",
    "TORCH_LOGS",
    "CUDA_VISIBLE_DEVICES",
    "CXX",
    "OMP_NUM_THREADS",
)


def describe_environment(device: str | None) -> dict[str, Any]:
    """The facts by name. Deterministic on one machine: no times, no process ids."""
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}",
        "torch_root": str(Path(torch.__file__).resolve().parent) + os.sep,
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    if device:
        found["device"] = device
        found.update(devices.of(device).facts(device))
    found.update(
        {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(VARIABLES) and name != "TORCHINDUCTOR_CACHE_DIR"
        }
    )
    return found
