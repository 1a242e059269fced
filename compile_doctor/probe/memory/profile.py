"""One more call of the compiled target under torch's profiler: the memory of each attention call, and the kernels.

It is a separate run, so that the others are not slowed down. CPU memory comes from the profiler's allocation events (exact),
CUDA memory from the allocator's own peak.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from compile_doctor.capture import schema
from compile_doctor.model.stacks import Frame
from compile_doctor.probe import compat
from compile_doctor.probe.devices import Device
from compile_doctor.probe.memory.over_time import over_time
from compile_doctor.probe.observe.attention import Observer
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.graphs import varlen_given
from compile_doctor.probe.observe.stacks import python_stack

MARK = "compile_doctor:"
_KERNEL_WORDS = ("attention", "flash", "fmha", "sdpa", "triton_tem_", "cutedsl", "kernel_cutlass")
"""Up to torch 2.9 the name of the Triton template does not mention attention: `triton_tem_fused_mul_sin_1`."""
_BACKENDS = {
    "aten::_scaled_dot_product_flash_attention_for_cpu": "flash",
    "aten::_scaled_dot_product_flash_attention": "flash",
    "aten::_scaled_dot_product_efficient_attention": "efficient",
    "aten::_scaled_dot_product_cudnn_attention": "cudnn",
    "aten::_scaled_dot_product_fused_attention_overrideable": "overrideable",
    "aten::_scaled_dot_product_attention_math": "math",
    "aten::_scaled_dot_product_attention_math_for_mps": "math",
}
_VARLEN = {"aten::_flash_attention_forward": "flash", "aten::_cudnn_attention_forward": "cudnn"}
"""The operators behind varlen_attn; those of varlen_attn_out have more behind the name."""


def peak_of(call: Callable[[], Any], device: Device) -> int | None:
    """The peak in bytes of one call, beyond what was allocated before, including its result.

    The profiler does not record shapes, because it would keep the tensors alive. On a GPU the allocator's own figure
    counts; None if the allocator has none.
    """
    peak = device.peak()
    if peak is not None:
        call()
        device.synchronize()
        return peak()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, record_function(MARK + "call"):
        call()
    events = marked(profiler.profiler.kineto_results.experimental_event_tree())
    return max(allocated(event)[0] for event in events["call"])


class Mark:
    """A mark in the profiler's events around a block."""

    def __init__(self, name: str) -> None:
        self._mark = record_function(MARK + name)

    def __enter__(self) -> None:
        with compat.outside_modes():
            self._mark.__enter__()

    def __exit__(self, *error: Any) -> None:
        with compat.outside_modes():
            self._mark.__exit__(*error)


class MemoryPass:
    """`run(call)` measures one call; the observer enters `window` around each graph and each dense call."""

    def __init__(self, log: EventLog, observer: Observer, device: Device) -> None:
        self.log = log
        self.observer = observer
        self.device = device
        self.peaks: dict[str, int] = {}
        self._written: set[str] = set()

    @contextmanager
    def window(self, name: str) -> Iterator[None]:
        peak = self.device.peak()
        with Mark(name):
            yield
            self.device.synchronize()
        if peak is not None:
            self.peaks[name] = max(self.peaks.get(name, 0), peak() or 0)

    def any_called(self, call: Callable[[], Any]) -> bool:
        """Whether one call has attention or makes a mask; takes a tenth of the time that the profiler takes to start."""
        with _PythonCalls(self.observer, marked=False) as calls:
            call()
        return bool(calls.seen) or self.observer.seen

    def run(self, call: Callable[[], Any]) -> list[dict[str, Any]]:
        """Writes one event per window, SDPA call and mask; returns the SDPA calls. Raises what the call raises."""
        events, seen, kernels = self._profiled(call, shapes=False)
        self._write_windows(events, kernels)
        with_inputs = self._with_inputs(call, events, seen)
        sdpa = []
        for number, (kind, stack, graph, given) in enumerate(seen):
            event = next(iter(events.get(f"python:{number}", [])), None)
            if event is None:
                continue
            peak, largest = allocated(event)
            if kind == "mask":
                self.log.write(schema.MaskMade(stack=stack, peak=peak, largest=largest, **given))
            elif kind == "varlen_attn":
                below = (one.name for one in _walk(event.children) if not _is_allocation(one))
                ran = (backend for name in below for start, backend in _VARLEN.items() if name.startswith(start))
                self.log.write(
                    schema.SdpaRan(
                        stack, graph, peak, largest, next(ran, None), given["inputs"], kind, given["lengths"]
                    )
                )
            else:
                called = next(iter(with_inputs.get(f"python:{number}", [])), event)
                described = {"stack": stack, "graph": graph, "peak": peak, "largest": largest, **_sdpa(called)}
                self.log.write(schema.SdpaRan(**described))
                sdpa.append(described)
        return [one for one in sdpa if all(one["inputs"].values())]

    def misses(self, graphs: Iterable[int]) -> bool:
        """Whether one of these graphs has not run at its own sizes in a measured call."""
        return any(f"graph:{number}" not in self._written for number in graphs)

    def run_again(self, call: Callable[[], Any]) -> None:
        """Measures one call with other inputs: only the graphs and dense calls that were not measured before."""
        events, _, kernels = self._profiled(call, shapes=False)
        self._write_windows(events, kernels)

    def _write_windows(self, events: dict[str, list[Any]], kernels: list[str]) -> None:
        for name, found in events.items():
            if not name.startswith("python:") and name not in self._written:
                self._written.add(name)
                peak, largest = max(allocated(event) for event in found)
                measured = self.peaks.get(name, peak)
                series = over_time(_changes(found[-1], self.device.type)) if name == "call" else []
                self.log.write(
                    schema.Memory(window=name, peak=measured, largest=largest, kernels=kernels, series=series)
                )

    def _with_inputs(self, call: Callable[[], Any], events: dict[str, list[Any]], seen: list[Any]) -> dict[str, Any]:
        """The marks of one more call, whose events have the operators' inputs; empty if SDPA was not called.

        It is a separate call, because a profiler that records shapes keeps the tensors alive: the peak of the dense path
        is then 2.3 times as high (torch 2.13).
        """
        if not any(kind == "sdpa" for kind, *_ in seen):
            return {}
        again, seen_again, _ = self._profiled(call, shapes=True)
        return again if [one[:2] for one in seen_again] == [one[:2] for one in seen] else {}

    def _profiled(self, call: Callable[[], Any], shapes: bool) -> tuple[dict[str, list[Any]], list[Any], list[str]]:
        """Profiles one call: (our marks by name, the calls that Python made, the attention kernels on a GPU)."""
        calls = _PythonCalls(self.observer)
        profiler = profile(activities=self.device.activities, profile_memory=not shapes, record_shapes=shapes)
        with profiler, self.window("call"), calls:
            call()
        events = marked(profiler.profiler.kineto_results.experimental_event_tree())
        return events, calls.seen, gpu_kernels(profiler, self.device.type) if self.device.runs_kernels else []


class _PythonCalls:
    """Marks the calls of SDPA, varlen_attn and create_block_mask that Python itself makes, by sys.setprofile.

    The profiler's own with_stack is not used, because its names of short-lived code are dangling (torch 2.13).
    """

    def __init__(self, observer: Observer, marked: bool = True) -> None:
        """`marked`: marks the calls for a profiler, which must be running."""
        self.observer = observer
        self._mark = Mark if marked else nullcontext
        self.seen: list[tuple[str, list[Frame], int | None, dict[str, Any]]] = []
        """What was called, from where, in which graph (backend `eager` runs a graph as Python); what it was given."""
        self._open: list[tuple[object, Any]] = []
        self._sdpa = torch.nn.functional.scaled_dot_product_attention
        self._mask = compat.create_block_mask().__code__
        self._varlen = compat.varlen_codes()

    def __enter__(self) -> _PythonCalls:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        while self._open:
            self._open.pop()[1].__exit__(None, None, None)

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument is self._sdpa:
            self._begin("sdpa", frame, argument)
        elif event in ("c_return", "c_exception") and argument is self._sdpa:
            self._end(argument)
        elif event == "call" and frame.f_code is self._mask:
            self._begin("mask", frame.f_back, frame, _lengths(frame))
        elif event == "call" and frame.f_code in self._varlen:
            inputs, lengths = varlen_given(frame.f_locals)
            self._begin("varlen_attn", frame.f_back, frame, {"inputs": inputs, "lengths": lengths})
        elif event == "return" and (frame.f_code is self._mask or frame.f_code in self._varlen):
            self._end(frame)

    def _begin(self, kind: str, frame: FrameType | None, key: object, given: dict[str, Any] | None = None) -> None:
        mark = self._mark(f"python:{len(self.seen)}")
        mark.__enter__()
        self._open.append((key, mark))
        running = self.observer.running
        graph = running[-1] if running else None
        self.seen.append((kind, self._stack(kind, graph, frame), graph, given or {}))

    def _stack(self, kind: str, graph: int | None, frame: FrameType | None) -> list[Frame]:
        """The traced stack for a graph that runs as Python, else the current one: a graph compiled only now has no evidence."""
        traced = self.observer.calls.get(graph, []) if graph is not None and kind == "sdpa" else []
        if not traced:
            return python_stack(frame)[0]
        before = sum(one[0] == "sdpa" and one[2] == graph for one in self.seen)
        return traced[before % len(traced)]

    def _end(self, key: object) -> None:
        if self._open and self._open[-1][0] is key:
            self._open.pop()[1].__exit__(None, None, None)


def _lengths(frame: FrameType) -> dict[str, int]:
    """The number of queries and keys of a mask, from create_block_mask's own frame."""
    named = {"queries": frame.f_locals.get("Q_LEN"), "keys": frame.f_locals.get("KV_LEN")}
    return {name: value for name, value in named.items() if isinstance(value, int)}


def marked(roots: list[Any]) -> dict[str, list[Any]]:
    """Our own marks among the profiler's events, by name."""
    found: dict[str, list[Any]] = {}
    for event in _walk(roots):
        if not _is_allocation(event) and event.name.startswith(MARK):
            found.setdefault(event.name.removeprefix(MARK), []).append(event)
    return found


def _sdpa(event: Any) -> dict[str, Any]:
    """The backend below a call, and the inputs of the operator."""
    below = list(_walk(event.children))
    called = next((one for one in below if one.name == "aten::scaled_dot_product_attention"), None)
    inputs = [_metadata(value) for value in called.extra_fields.inputs[:3]] if called else [None] * 3
    return {
        "backend": next((_BACKENDS[one.name] for one in below if one.name in _BACKENDS), None),
        "inputs": dict(zip(("query", "key", "value"), inputs)),
    }


def _walk(events: list[Any]) -> Iterator[Any]:
    """All events below, in order, without recursion."""
    stack = list(reversed(events))
    while stack:
        event = stack.pop()
        yield event
        stack.extend(reversed(event.children))


def _is_allocation(event: Any) -> bool:
    return bool(event.tag.name == "Allocation")


def allocated(event: Any) -> tuple[int, int]:
    """(peak, largest allocation) in bytes below an event; allocations are added up in the order of time."""
    sizes = sorted(
        (child.start_time_ns, child.extra_fields.alloc_size) for child in _walk(event.children) if _is_allocation(child)
    )
    total = peak = largest = 0
    for _, size in sizes:
        total += size
        peak, largest = max(peak, total), max(largest, size)
    return peak, largest


def _changes(event: Any, device: str) -> Iterator[tuple[int, int]]:
    """Nanoseconds since the event began, and bytes allocated or freed, on one kind of device."""
    for child in _walk(event.children):
        if _is_allocation(child) and child.extra_fields.device.type == device:
            yield child.start_time_ns - event.start_time_ns, child.extra_fields.alloc_size


def _metadata(value: Any) -> dict[str, Any] | None:
    if not hasattr(value, "sizes"):
        return None
    return {
        "shape": list(value.sizes),
        "strides": list(value.strides),
        "dtype": str(value.dtype).removeprefix("torch."),
        "device": value.device.type,
        "type": "Tensor",
        "requires_grad": False,
    }


def gpu_kernels(profiler: Any, device: str) -> list[str]:
    """The names of the GPU's attention kernels that ran, cut: mangled templates can be kilobytes long."""
    names = {event.name for event in profiler.events() if str(event.device_type).endswith(device.upper())}
    return sorted(name[:200] for name in names if any(word in name for word in _KERNEL_WORDS))
