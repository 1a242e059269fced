"""How much memory the target may still take: of the machine, and of what `--memory-limit` leaves."""

from __future__ import annotations

from pathlib import Path

import torch

SHARE = 0.8
"""Of what is free; the rest is for everything else on the machine."""


def memory_left(device: str) -> int | None:
    """Bytes, None where the system does not tell. For `cuda` the current device's, else the machine's."""
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(SHARE * (free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()))
    found = [left for left in (_available(), _limit()) if left is not None]
    return min(found) if found else None


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(SHARE * int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    return None


def _limit() -> int | None:
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
        if soft == resource.RLIM_INFINITY:
            return None
        status = Path("/proc/self/status").read_text(encoding="ascii")
        used = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
        return max(0, soft - used)
    except (ImportError, OSError, ValueError, StopIteration):
        return None
