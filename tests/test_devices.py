"""What differs between devices lies in one file, and each device answers in the same way."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.profiler import ProfilerActivity

import compile_doctor.probe as probe
from compile_doctor.probe import compat, devices
from compile_doctor.probe.memory.profile import peak_of

GIB = 2**30


class Allocator:
    """`torch.cuda`'s functions, over a GPU of 8 GiB that holds 1 GiB."""

    def __init__(self) -> None:
        self.held = self.most = GIB
        self.waited = 0

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def synchronize(self) -> None:
        self.waited += 1

    def reset_peak_memory_stats(self) -> None:
        self.most = self.held

    def memory_allocated(self) -> int:
        return self.held

    def memory_reserved(self) -> int:
        return 2 * GIB

    def max_memory_allocated(self) -> int:
        return self.most

    def mem_get_info(self) -> tuple[int, int]:
        return 6 * GIB, 8 * GIB

    def get_device_name(self, device: object = None) -> str:
        return f"Fake {device}"

    def device_count(self) -> int:
        return 2

    def get_device_capability(self, device: object = None) -> tuple[int, int]:
        return 9, 0

    def use(self, size: int) -> None:
        self.most = max(self.most, self.held + size)


def accelerator(allocator: Allocator, kind: str = "cuda") -> devices.Accelerator:
    return devices.Accelerator(allocator, kind, ProfilerActivity.CUDA, ("flash",))


def test_the_peak_on_a_gpu_is_the_allocators_beyond_what_was_held_before():
    allocator = Allocator()
    allocator.most = 5 * GIB  # an earlier peak, which is not this call's
    assert peak_of(lambda: allocator.use(2 * GIB), accelerator(allocator)) == 2 * GIB
    assert allocator.waited == 2, "before it counts, and before it reads"


def test_the_peak_on_a_cpu_is_in_the_profilers_allocations():
    assert peak_of(lambda: torch.ones(1 << 20), devices.CPU) == pytest.approx(4 << 20, rel=0.01)


def test_a_device_that_does_not_count_its_peak_gives_none_and_not_0(monkeypatch):
    monkeypatch.setattr(torch.mps, "synchronize", lambda: None)
    assert peak_of(lambda: None, devices.of("mps")) is None


def test_what_is_free_on_a_gpu_includes_what_the_allocator_holds_unused():
    assert accelerator(Allocator()).free() == int(0.8 * 7 * GIB)


def test_a_gpu_gives_its_name_by_index_and_its_versions(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.version, "hip", None)
    device = accelerator(Allocator())
    assert device.facts("cuda:1") == {"gpu": "Fake cuda:1", "capability": "9.0", "cuda": "13.0"}
    assert device.summary() == "Fake 0, Fake 1 (CUDA 13.0, sm_90)"
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", "7.0")
    assert device.summary() == "Fake 0, Fake 1 (ROCM 7.0)"
    assert "capability" not in device.facts("cuda:1")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "xpu:0", "mps", "meta", "hpu"])
def test_a_device_is_found_by_torchs_name_with_or_without_an_index(name):
    assert devices.of(name).type == name.partition(":")[0]


def test_a_device_that_is_not_known_is_measured_as_a_cpu():
    assert devices.of("hpu").peak() is None
    assert devices.of("hpu").fused_sdpa == devices.CPU.fused_sdpa


def test_the_device_in_use_is_an_accelerator_that_was_initialized(monkeypatch):
    allocator = Allocator()
    monkeypatch.setattr(devices, "_ACCELERATORS", (accelerator(allocator),))
    assert devices.in_use().type == devices.best().type == "cuda"
    monkeypatch.setattr(allocator, "is_initialized", lambda: False)
    assert devices.in_use() is devices.CPU
    assert devices.best().type == "cuda"
    monkeypatch.setattr(allocator, "is_available", lambda: False)
    assert devices.best() is devices.CPU


def test_random_states_are_those_of_every_device_in_use(monkeypatch):
    allocator = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        get_rng_state_all=lambda: [torch.zeros(3), torch.ones(3)],
    )
    monkeypatch.setattr(devices, "_ACCELERATORS", (accelerator(allocator),))
    assert len(devices.random_states()) == 3


def test_no_other_file_of_the_probe_asks_for_a_device():
    folder = Path(probe.__file__).parent
    kinds = "|".join(device.type for device in devices._ACCELERATORS)
    asks = re.compile(rf'torch\.({kinds})\b|\b({kinds})\b.*\bbool\b|== ?"({kinds})"')
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if asks.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"devices.py"}


class Tree:
    """torch's CUDAGraphTreeManager in what matters here: a replay runs no function."""

    def __init__(self) -> None:
        self.ids_to_funcs = {0: SimpleNamespace(model=lambda inputs: ("kernel by kernel", inputs))}

    def run(self, inputs: object) -> object:
        return self._run(inputs, 0)

    def _run(self, inputs: object, function_id: int) -> object:
        return "replayed"


def test_memory_is_measured_with_cuda_graphs_off(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._inductor.cudagraph_trees", SimpleNamespace(CUDAGraphTreeManager=Tree))
    tree = Tree()
    with compat.without_cuda_graphs() as used:
        assert tree.run([1]) == ("kernel by kernel", [1])
    assert (len(used), tree.run([1])) == (1, "replayed")
    monkeypatch.delitem(sys.modules, "torch._inductor.cudagraph_trees")
    with compat.without_cuda_graphs() as used:
        assert used == []


def test_torchs_own_manager_has_the_parts_that_are_replaced():
    from torch._inductor.cudagraph_trees import CUDAGraphTreeManager

    assert list(inspect.signature(CUDAGraphTreeManager._run).parameters) == ["self", "new_inputs", "function_id"]
    assert "ids_to_funcs" in inspect.getsource(CUDAGraphTreeManager.__init__)
    assert ".model(new_inputs)" in inspect.getsource(CUDAGraphTreeManager)
