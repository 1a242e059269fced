"""What `run` costs a rank, and how much of that is torch's own trace: two programs for two ranks, each plain, with
TORCH_TRACE alone, with the probe alone, and under `run`, which is both; in another order each time."""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import tables
from processes import ROOT

HEAD = """
import resource, sys, torch, torch.distributed as dist
from torch import nn

def spent():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.LayerNorm(width)

    def forward(self, x):
        return x + self.b(nn.functional.gelu(self.a(self.norm(x))))

dist.init_process_group("gloo")
"""
TAIL = """
dist.barrier()
dist.destroy_process_group()
sys.stdout.write(f"TIMES {began} {first - began} {spent() - first}\\n")  # at once: the other rank writes there too
sys.stdout.flush()
"""
STEPS = (
    HEAD
    + """
net = torch.compile(nn.Sequential(*[Block(128) for _ in range(4)]), backend="aot_eager")
x, began, first = torch.randn(64, 128), spent(), None
for step in range(601):
    net(x).sum().backward()
    first = first or spent()
    net.zero_grad()
"""
    + TAIL
)
COMPILES = (
    HEAD
    + """
net = torch.compile(nn.Sequential(*[Block(32) for _ in range(16)]))
x, began = torch.randn(8, 32), spent()
net(x).sum().backward()
first = spent()
for step in range(5):
    net(x).sum().backward()
"""
    + TAIL
)
STARTS = (
    HEAD
    + """
import torch._dynamo, torch._inductor.compile_fx
began = first = spent()
"""
    + TAIL
)
PROGRAMS = {
    "starts, compiles nothing": STARTS,
    "600 steps after one compilation": STEPS,
    "Inductor compiles 16 blocks, nothing cached": COMPILES,
}
WAYS = ("plain", "TORCH_TRACE alone", "probe alone", "run")
PARTS = ("start, imports", "first step, with compiling", "the other steps", "the whole rank", "the whole command")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="a word of the program's description")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    found = tables.load("ranks-cost")
    for name, program in PROGRAMS.items():
        if options.only in name:
            found[name] = []
            for one in rounds(program, options.rounds):
                found[name].append(one)
                tables.save("ranks-cost", found)
    rows = []
    for name, seen in found.items():
        for number, part in enumerate(PARTS):
            seconds = median(one["plain"][number] for one in seen)
            if seconds < 0.1:  # a part that the program does not have
                continue
            row: list[object] = [name, part, f"{seconds:.1f} s"]
            for way in WAYS[1:]:
                ratios = sorted(one[way][number] / one["plain"][number] for one in seen if way in one)
                row.append(f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if ratios else "–")
            rows.append(row)
    tables.publish("ranks-cost", tables.table(["program", "CPU time of", *WAYS], rows), options.write)


def rounds(program: str, count: int) -> Iterator[dict[str, list[float]]]:
    """Of each round the seconds of every way, which are compared within the round: a machine gets slower and faster."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.py"
        file.write_text(program)
        times(file, "plain")  # what the disk cache has then is the same for all
        for number in range(count):
            first = number % len(WAYS)
            seen = {way: times(file, way) for way in WAYS[first:] + WAYS[:first]}
            print(number, seen, file=sys.stderr, flush=True)
            yield seen


def times(program: Path, way: str) -> list[float]:
    """Seconds of CPU: of both ranks together by part, and of everything that the command started."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(program)]
    if way == "probe alone":
        command = ["env", "-u", "TORCH_TRACE", *command]
    if way in ("probe alone", "run"):
        command = [sys.executable, "-m", "compile_doctor", "run", "--", *command]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": f"{folder}/cache",
        }  # fmt: skip
        if way == "TORCH_TRACE alone":
            environment["TORCH_TRACE"] = f"{folder}/trace"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.findall(r"TIMES (\S+) (\S+) (\S+)", done.stdout + done.stderr)
    if len(found) != 2:
        raise SystemExit(done.stdout[-500:] + done.stderr[-2000:])
    parts = [sum(float(rank[number]) for rank in found) for number in range(3)]
    return [*parts, sum(parts), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


if __name__ == "__main__":
    main()
