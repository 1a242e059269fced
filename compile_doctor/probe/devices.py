"""What differs between devices: synchronisation, memory, kernels, names. No other file of the probe depends on it.

A new device is an entry in `_ACCELERATORS`, with its version in `Accelerator._versions`; a new fact about it is a key of
`ENVIRONMENT` in render/document.py too. Outside the probe, only what is known of CUDA's kernels asks for `cuda`.

CUDA and ROCm are one device to torch (`torch.cuda`), and `torch.xpu` has the same functions (torch 2.8 to 2.15). Measured
on CPU and on CUDA (H100); ROCm, XPU and MPS follow torch's documentation and have not been run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.profiler import ProfilerActivity

_SHARE = 0.8
"""The share of the free memory that counts as free; the rest is for everything else on the machine."""
Peak = Callable[[], "int | None"]
"""Returns the peak in bytes since it was made, beyond what was allocated then; None if the device does not count it."""


class Device(Protocol):
    """One kind of device: `cpu`, `cuda`, `xpu`, `mps`."""

    type: str
    activities: tuple[ProfilerActivity, ...]
    """What the profiler must record to see its work."""
    fused_sdpa: tuple[str, ...]
    """The fused backends that scaled_dot_product_attention may take there."""
    runs_kernels: bool
    """Whether the profiler names its kernels in addition to the operators."""
    has_graphs: bool
    """Whether torch can capture its kernels in CUDA graphs."""

    def available(self) -> bool: ...

    def in_use(self) -> bool:
        """Whether this process has used it."""

    def facts(self, name: str) -> dict[str, str | None]:
        """The model and the versions of the device that torch calls `name`; empty for a CPU."""

    def summary(self) -> str | None:
        """All devices of this kind in one line; None for a CPU."""

    def synchronize(self) -> None:
        """Waits until everything that was launched is done."""

    def free(self) -> int | None:
        """Bytes that the target may still allocate; None if unknown."""

    def peak(self) -> Peak | None:
        """Starts counting; None if the profiler's own allocation events are exact."""

    def random_states(self) -> list[torch.Tensor]:
        """The states of torch's generators."""


class Cpu:
    """The machine itself; a device that is not known here is treated as a CPU."""

    activities: tuple[ProfilerActivity, ...] = (ProfilerActivity.CPU,)
    fused_sdpa: tuple[str, ...] = ("flash",)
    runs_kernels = False
    has_graphs = False

    def __init__(self, kind: str = "cpu") -> None:
        self.type = kind

    def available(self) -> bool:
        return True

    def in_use(self) -> bool:
        return True

    def facts(self, name: str) -> dict[str, str | None]:
        return {}

    def summary(self) -> str | None:
        return None

    def synchronize(self) -> None:
        pass

    def free(self) -> int | None:
        found = [left for left in (_available(), _limit()) if left is not None]
        return min(found) if found else None

    def peak(self) -> Peak | None:
        return None

    def random_states(self) -> list[torch.Tensor]:
        return [torch.get_rng_state()]


class Accelerator:
    """`torch.cuda` or `torch.xpu`, whose allocators know their own peak."""

    runs_kernels = True

    def __init__(self, module: Any, kind: str, activity: ProfilerActivity, fused_sdpa: tuple[str, ...]) -> None:
        self._module = module
        self.type = kind
        self.has_graphs = kind == "cuda"
        self.activities = (ProfilerActivity.CPU, activity)
        self.fused_sdpa = fused_sdpa

    def available(self) -> bool:
        return bool(self._module.is_available())

    def in_use(self) -> bool:
        return bool(self._module.is_available() and self._module.is_initialized())

    def facts(self, name: str) -> dict[str, str | None]:
        return {"gpu": self._module.get_device_name(name), **self._capability(name), **self._versions()}

    def summary(self) -> str | None:
        if not self.available():
            return None
        names = [self._module.get_device_name(index) for index in range(self._module.device_count())]
        versions = [f"{key.upper()} {version}" for key, version in self._versions().items() if version]
        if self.type == "cuda" and not torch.version.hip:
            versions.append("sm_{}{}".format(*self._module.get_device_capability()))
        return f"{', '.join(names)} ({', '.join(versions)})"

    def _capability(self, name: str) -> dict[str, str | None]:
        """NVIDIA's compute capability, such as `9.0`; AMD's and Intel's devices have none."""
        if self.type != "cuda" or torch.version.hip:
            return {}
        return {"capability": "{}.{}".format(*self._module.get_device_capability(name))}

    def _versions(self) -> dict[str, str | None]:
        if self.type == "xpu":
            return {"xpu": getattr(torch.version, "xpu", None)}
        if self.type == "cuda":
            return {"cuda": torch.version.cuda, **({"rocm": torch.version.hip} if torch.version.hip else {})}
        return {}

    def synchronize(self) -> None:
        self._module.synchronize()

    def free(self) -> int | None:
        free, _ = self._module.mem_get_info()
        return int(_SHARE * (free + self._module.memory_reserved() - self._module.memory_allocated()))

    def peak(self) -> Peak | None:
        self._module.synchronize()
        self._module.reset_peak_memory_stats()
        before = self._module.memory_allocated()
        return lambda: int(self._module.max_memory_allocated() - before)

    def random_states(self) -> list[torch.Tensor]:
        return list(self._module.get_rng_state_all())


class Mps(Cpu):
    """Apple's GPU. Its allocator counts what is allocated, but not the peak."""

    fused_sdpa: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__("mps")

    def available(self) -> bool:
        return bool(torch.backends.mps.is_available())

    def in_use(self) -> bool:
        return self.available() and bool(torch.mps.driver_allocated_memory())

    def facts(self, name: str) -> dict[str, str | None]:
        return {"gpu": "Apple GPU"}

    def summary(self) -> str | None:
        return "Apple GPU (MPS)" if self.available() else None

    def synchronize(self) -> None:
        torch.mps.synchronize()

    def free(self) -> int | None:
        return int(_SHARE * (torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()))

    def peak(self) -> Peak | None:
        return lambda: None

    def random_states(self) -> list[torch.Tensor]:
        return [torch.mps.get_rng_state()]


CPU = Cpu()
_ACCELERATORS: tuple[Device, ...] = (
    Accelerator(torch.cuda, "cuda", ProfilerActivity.CUDA, ("flash", "efficient", "cudnn")),
    Accelerator(torch.xpu, "xpu", ProfilerActivity.XPU, ("flash",)),
    Mps(),
)


def of(name: str) -> Device:
    """The device by torch's name, with or without an index (`cuda:1`)."""
    kind = name.partition(":")[0]
    return next((device for device in (CPU, *_ACCELERATORS) if device.type == kind), Cpu(kind))


def in_use() -> Device:
    """The accelerator that this process has used, else the CPU."""
    return next((device for device in _ACCELERATORS if device.in_use()), CPU)


def best() -> Device:
    """The accelerator that torch finds on this machine, else the CPU."""
    return next((device for device in _ACCELERATORS if device.available()), CPU)


def random_states() -> list[torch.Tensor]:
    """The random states of every device that this process has used."""
    used = [CPU, *(device for device in _ACCELERATORS if device.in_use())]
    return [state for device in used for state in device.random_states()]


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(_SHARE * int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    return None


def _limit() -> int | None:
    """Bytes that `--memory-limit` leaves; None without a limit."""
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
