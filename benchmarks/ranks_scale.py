"""Many ranks: the time and memory of reading 1,024 simulated ranks, and of putting the digests of 10,000 machines together."""

from __future__ import annotations

import argparse
import os
import pickle
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import tables
from processes import ROOT, run

sys.path.insert(0, str(ROOT))

from compile_doctor.capture import load_capture
from compile_doctor.capture.digest import write_digest
from compile_doctor.capture.many import Part, Together, split
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.read import read_stream
from compile_doctor.capture.trace.stream import BLOCK, records
from compile_doctor.render import json_format
from compile_doctor.report.make import make_report

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PER_MACHINE = 8
SOURCE = """
import torch, torch.distributed as dist
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(32, 64), nn.Linear(64, 32), nn.LayerNorm(32)

    def forward(self, x):
        return x + self.b(nn.functional.gelu(self.a(self.norm(x))))

dist.init_process_group("gloo")
net = torch.compile(nn.Sequential(Block()))
for length in (32, 36) if dist.get_rank() else (32,):
    net(torch.randn(length, 32)).sum().backward()
dist.barrier()
dist.destroy_process_group()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["read", "merge"])
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        source = Path(folder) / "source"
        record(source)
        {"read": read, "merge": merge}[options.what](source, Path(folder), options)


def record(to: Path) -> None:
    """The traces of two ranks that Inductor compiles for; the second one has another length as well."""
    to.mkdir()
    program = to.parent / "train.py"
    program.write_text(SOURCE)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(program)]
    subprocess.run(command, env={**ENVIRONMENT, "TORCH_TRACE": str(to)}, check=True, stderr=subprocess.DEVNULL)


def simulate(source: Path, folder: Path, ranks: range, odd: tuple[int, ...], distinct: bool = False) -> int:
    """Copies of two traces as those of many ranks: some do something else; if `distinct`, each has another size."""
    folder.mkdir()
    kinds = [file.read_bytes() for file in sorted(source.glob("*.log"))]
    pids = [re.match(rb"V\d{4} \S+ (\d+) ", text)[1] for text in kinds]
    total = 0
    for rank in ranks:
        kind = 0 if rank in odd else 1
        text = kinds[kind].replace(b" %b " % pids[kind], b" %d " % (100_000 + rank))
        text = text.replace(b'"rank": %d' % kind, b'"rank": %d' % rank)
        text = text.replace(b"actual 36", b"actual %d" % (1000 + rank)) if distinct else text
        (folder / f"dedicated_log_torch_trace_rank_{rank}_x.log").write_bytes(text)
        total += len(text)
    return total


# ---------------------------------------------------------------- reading


def read(source: Path, folder: Path, options: argparse.Namespace) -> None:
    rows, found = [], {}
    for name, distinct in (("three of them odd", False), ("each with another size", True)):
        traces = folder / name.replace(" ", "-")
        odd = (7, options.ranks // 2, options.ranks // 2 + 1)
        size = simulate(source, traces, range(options.ranks), odd, distinct)
        each = [one(traces) for _ in range(options.repeat)]
        disk, memory, report, cpu = (median(values) for values in zip(*(times for times, _ in each)))
        peak = max(megabytes for _, megabytes in each)
        rows.append(
            [
                f"{options.ranks:,} ranks, {name}",
                f"{size / 1e6:,.0f} MB",
                f"{disk:.2f} s",
                f"{memory:.2f} s",
                f"{report:.2f} s",
                f"{cpu:.2f} s",
                f"{peak:,.0f} MB",
            ]
        )
        found[name] = {"bytes": size, "times": [times for times, _ in each], "peak": peak}
        if not distinct:
            found["floor"] = floor(traces, size / options.ranks)
    tables.save("ranks-scale", found)
    plain = found["floor"]["reading the bytes"]
    steps = [[step, f"{seconds:.2f} s", f"{seconds / plain:.1f}×"] for step, seconds in found["floor"].items()]
    tables.publish("ranks-floor", tables.table(["CPU time per GB, from memory", "", ""], steps), options.write)
    head = [
        "",
        "traces",
        "bytes from disk",
        "bytes from memory",
        "report, wall clock",
        "report, CPU",
        "peak of a process",
    ]
    tables.publish("ranks-scale", tables.table(head, rows), options.write)


def one(traces: Path) -> tuple[tuple[float, float, float, float], float]:
    """Seconds to read the bytes from disk, again from memory, and for the report; its CPU time; MB of a process."""
    forget(traces)
    disk, memory = read_bytes(traces), read_bytes(traces)
    report, cpu, peak = measured([sys.executable, "-m", "compile_doctor", "report", str(traces), "--format", "json"])
    return (disk, memory, report, cpu), peak


def floor(traces: Path, size: float) -> dict[str, float]:
    """Seconds of CPU for a gigabyte of traces that are in the page cache: of a Python that does less than the report."""

    def lines(block: bytes) -> None:
        block.count(b"\n")

    def letters(block: bytes) -> None:
        at = -1
        while (at := block.find(b"V", at + 1)) >= 0:
            pass

    files = sorted(traces.iterdir())[:64]
    steps = {"reading the bytes": None, "and finding each V": letters, "and counting line ends": lines}
    found = {name: min(passed(files, step) for _ in range(7)) for name, step in steps.items()}
    found["finding the records, decoding none"] = min(skipped(files) for _ in range(7))
    found["all that is read of a rank"] = min(whole(files) for _ in range(7))
    return {name: seconds / len(files) / size * 1e9 for name, seconds in found.items()}


def passed(files: list[Path], step: Callable[[bytes], None] | None) -> float:
    began = time.process_time()
    for file in files:
        with file.open("rb", buffering=0) as stream:
            while block := stream.read(BLOCK):
                if step is not None:
                    step(block)
    return time.process_time() - began


def skipped(files: list[Path]) -> float:
    began = time.process_time()
    for file in files:
        with file.open("rb") as stream:
            for _ in records(stream, (), lambda kind: True):
                pass
    return time.process_time() - began


def whole(files: list[Path]) -> float:
    began = time.process_time()
    for file in files:
        with file.open("rb") as stream:
            read_stream(stream, Trace(detailed=False))
    return time.process_time() - began


def forget(traces: Path) -> None:
    """Drops the files from the page cache."""
    for file in traces.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_bytes(traces: Path) -> float:
    began = time.perf_counter()
    for file in traces.iterdir():
        with file.open("rb", buffering=0) as stream:
            while stream.read(1 << 18):
                pass
    return time.perf_counter() - began


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of wall clock, seconds of CPU and the largest process in MB, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(command, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.peak_mb


# ---------------------------------------------------------------- putting digests together


def merge(source: Path, folder: Path, options: argparse.Namespace) -> None:
    """One machine of eight ranks is recorded and made a digest of; the others are the same with other numbers."""
    traces, digest = folder / "machine", folder / "digest"
    simulate(source, traces, range(PER_MACHINE), (0,))
    before, after = write_digest(traces, digest)
    part, groups = split("node0", load_capture(digest))
    sent, kept = len(pickle.dumps(part)), len(pickle.dumps(groups))
    rows, found = [], {}
    for machines in (10, options.machines // 10, options.machines):
        began = time.perf_counter()
        together = Together()
        for number in range(machines):
            together.add(numbered(part, number, machines), lambda: groups)
        evidence = together.evidence()
        merged = time.perf_counter() - began
        json_format.render(make_report(evidence))
        reported = time.perf_counter() - began - merged
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(
            [
                f"{machines:,}",
                f"{machines * PER_MACHINE:,}",
                f"{sent * machines / 1e6:,.1f} MB",
                f"{merged:.1f} s",
                f"{reported:.1f} s",
                f"{peak:,.0f} MB",
            ]
        )
        found[str(machines)] = {"merged": merged, "reported": reported, "peak": peak}
    tables.save("ranks-merge", {"capture": before, "digest": after, "sent": sent, "groups": kept, "machines": found})
    print(f"capture {before:,} bytes, digest {after:,}, sent for each machine {sent:,}, once {kept:,}")
    head = ["machines", "ranks", "sent to the driver", "merging", "report", "memory"]
    tables.publish("ranks-merge", tables.table(head, rows), options.write)


def numbered(part: Part, machine: int, machines: int) -> Part:
    def again(one: Any) -> Any:
        who = replace(
            one.who, rank=machine * PER_MACHINE + one.number, local_rank=one.number, world_size=machines * PER_MACHINE
        )
        return replace(one, who=replace(who, host=f"node{machine}", local_size=PER_MACHINE))

    return replace(part, name=f"node{machine}", ranks=replace(part.ranks, all=tuple(map(again, part.ranks.all))))


if __name__ == "__main__":
    main()
