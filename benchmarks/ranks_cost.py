"""What `run` costs a rank: two programs for two ranks, plain and observed, in alternating order."""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
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
print("TIMES", began, first - began, spent() - first, flush=True)
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
PROGRAMS = {"600 steps after one compilation": STEPS, "Inductor compiles 16 blocks, nothing cached": COMPILES}
PARTS = ("start, imports", "first step, with compiling", "the other steps", "the whole rank", "the whole command")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--only", default="", help="a word of the program's description")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    found = tables.load("ranks-cost")
    for name, program in PROGRAMS.items():
        if options.only in name:
            found[name] = pairs(program, options.pairs)
            tables.save("ranks-cost", found)
    rows = []
    for name, both in found.items():
        for number, part in enumerate(PARTS):
            ratios = [seen[number] / plain[number] for plain, seen in both]
            seconds = median(plain[number] for plain, _ in both)
            rows.append([name, part, f"{seconds:.1f} s", median(ratios), min(ratios), max(ratios)])
    head = ["program", "CPU time of", "plain", "under run, median", "least", "most"]
    tables.publish("ranks-cost", tables.table(head, rows), options.write)


def pairs(program: str, count: int) -> list[tuple[list[float], list[float]]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.py"
        file.write_text(program)
        times(file, False)  # what the disk cache has then is the same for all
        both = []
        for number in range(count):
            order = (False, True) if number % 2 else (True, False)
            seen = {observed: times(file, observed) for observed in order}
            both.append((seen[False], seen[True]))
            print(number, seen, file=sys.stderr, flush=True)
        return both


def times(program: Path, observed: bool) -> list[float]:
    """Seconds of CPU: of both ranks together by part, and of everything that the command started."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(program)]
    if observed:
        command = [sys.executable, "-m", "compile_doctor", "run", "--", *command]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": cache}
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
