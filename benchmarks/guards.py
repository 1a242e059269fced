"""What the probe reports for the guards of a compilation, beside the records of torch's profiler: `TorchDynamo Cache Lookup`."""

from __future__ import annotations

import argparse
from typing import Any

import tables
import torch
import torch._dynamo.convert_frame
from torch._dynamo.utils import get_compilation_metrics
from torch.profiler import ProfilerActivity, profile

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    log = Log()
    guards.watch(log)  # type: ignore[arg-type]
    rows = []
    for name, (model, x) in models().items():
        torch._dynamo.reset()
        compiled = torch.compile(model, backend="eager")
        with torch.no_grad():
            for _ in range(3):
                compiled(x)
            with profile(activities=[ProfilerActivity.CPU]) as profiled:
                for _ in range(options.calls):
                    compiled(x)
        seen = sorted(one.time_range.elapsed_us() for one in profiled.events() if "Cache Lookup" in one.name)
        cost, flushed = log.events[-1], get_compilation_metrics()[-1].guard_latency_us
        figures = [cost.microseconds, seen[0], seen[len(seen) // 4], seen[len(seen) // 2], flushed]
        rows.append([name, f"{cost.guards:,}", *(f"{one:,.1f}" for one in figures)])
    heads = ["model", "guards", "compile-doctor", "profiler, least", "profiler, lower quarter", "profiler, median"]
    print(tables.table([*heads, "torch's own, caches flushed"], rows))


if __name__ == "__main__":
    main()
