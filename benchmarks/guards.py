"""What the probe reports for the guards of a compilation, beside two other ways to measure them.

torch's profiler records `TorchDynamo Cache Lookup` around the guards of each call. A call under
`skip_guard_eval_unsafe` subtracted from an ordinary call is what they cost without a profiler. Both are measured with
a backend that computes nothing, so that the guards run again and again, as when the probe times them; the profiler also
with the backend `eager`, whose operators use the processor's caches between two calls.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import tables
import torch
import torch._dynamo.convert_frame
import torch._dynamo.guards
from torch._dynamo.utils import get_compilation_metrics
from torch.profiler import ProfilerActivity, profile

from compile_doctor.probe import compat
from compile_doctor.probe.observe import guards


class Gate(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.scale == 1.0 else x * self.scale


class Block(torch.nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.wide = torch.nn.Linear(width, 4 * width)
        self.narrow = torch.nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(torch.nn.functional.gelu(self.wide(x)))


class Added(torch.nn.Module):
    def __init__(self, parts: list[torch.nn.Module]) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.parts:
            x = part(x)
        return x + 1


class Log:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def write(self, event: Any) -> None:
        self.events.append(event)


def models() -> dict[str, tuple[torch.nn.Module, torch.Tensor]]:
    return {
        "600 small modules": (Added([Gate() for _ in range(600)]), torch.randn(4)),
        "12 blocks of two linear layers": (Added([Block() for _ in range(12)]), torch.randn(4, 32)),
        "one `TransformerEncoderLayer`": (
            torch.nn.TransformerEncoderLayer(64, 4, batch_first=True),
            torch.randn(2, 8, 64),
        ),
    }


def nothing(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
    """A backend whose code computes once, now."""
    found = graph(*inputs)
    return lambda *_: found


def looked_up(call: Callable[[], Any], calls: int) -> tuple[list[float], float]:
    """Microseconds of the profiler's records around the guards, sorted; and the least of an empty record."""
    empty = torch._C._profiler._RecordFunctionFast("empty")
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(calls):
            call()
            with empty:
                pass
    events = profiled.events()
    seen = sorted(one.time_range.elapsed_us() for one in events if "Cache Lookup" in one.name)
    return seen, min(one.time_range.elapsed_us() for one in events if one.name == "empty")


def least(call: Callable[[], Any], rounds: int = 40, calls: int = 50) -> float:
    """Microseconds of a call, in the quickest round."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - begun) / calls)
    return best * 1e6


def measured(model: torch.nn.Module, x: torch.Tensor, log: Log, calls: int) -> tuple[int, list[float]]:
    """The number of guards, and the figures of one compilation with each backend."""
    figures: list[float] = []
    for backend in (nothing, "eager"):
        torch._dynamo.reset()
        compiled = torch.compile(model, backend=backend)

        def call(compiled: Any = compiled) -> None:
            compiled(x)

        for _ in range(3):
            call()
        seen, empty = looked_up(call, calls)
        if backend is nothing:
            whole = least(call)
            with torch.compiler.set_stance(skip_guard_eval_unsafe=True):
                call()
                figures += [log.events[-1].microseconds, seen[0], whole - least(call), empty]
        else:
            figures += [seen[0], seen[len(seen) // 2], float(get_compilation_metrics()[-1].guard_latency_us or 0)]
    return log.events[-1].guards, figures


def spent_by_the_probe(model: torch.nn.Module, x: torch.Tensor) -> float:
    """Milliseconds to time the guards of one compilation: the median of five."""
    spent: list[float] = []

    def timed(*given: Any) -> None:
        begun = time.perf_counter()
        guards.measure(*given)
        spent.append(1e3 * (time.perf_counter() - begun))

    before = torch._dynamo.guards.guard_manager_testing_hook_fn
    try:
        compat.on_guards(lambda root, own, around: timed("0/0", root, own, around))
        for _ in range(5):
            torch._dynamo.reset()
            with torch.no_grad():
                torch.compile(model, backend="eager")(x)
    finally:
        torch._dynamo.guards.guard_manager_testing_hook_fn = before
    return round(sorted(spent)[len(spent) // 2], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5, help="compilations, of which the least counts")
    parser.add_argument("--overhead", action="store_true", help="only what the probe takes, in ms, as JSON")
    options = parser.parse_args()
    if options.overhead:
        print(json.dumps({name: spent_by_the_probe(model, x) for name, (model, x) in models().items()}))
        return
    log = Log()
    guards.watch(log)  # type: ignore[arg-type]
    rows = []
    for name, (model, x) in models().items():
        with torch.no_grad():
            found = [measured(model, x, log, options.calls) for _ in range(options.rounds)]
        best = [min(column) for column in zip(*(figures for _, figures in found))]
        apart = f"{100 * (best[0] / best[1] - 1):+.0f} %"
        rows.append(
            [
                name,
                f"{found[0][0]:,}",
                *(f"{one:,.1f}" for one in best[:2]),
                apart,
                *(f"{one:,.1f}" for one in best[2:]),
            ]
        )
    heads = ["model", "guards", "compile-doctor", "profiler", "apart", "call − call", "empty record"]
    print(tables.table([*heads, "profiler, with operators", "median of it", "torch's own, caches flushed"], rows))


if __name__ == "__main__":
    main()
