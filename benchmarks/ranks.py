"""Programs with several ranks: what compile-doctor and tlparse say of them; 1,024 simulated ranks; what observing costs a rank."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import labels
import tables
from others import find_tlparse
from processes import ROOT, run

sys.path.insert(0, str(ROOT))

from compile_doctor.capture import load_capture
from compile_doctor.model.ranks import ranges
from compile_doctor.report.make import make_report

PROGRAMS = ROOT / "tests" / "programs" / "ranks"
RECORDED = ROOT / "tests" / "evidence" / "ranks"
TORCH = "2.13.0"
WARNING = re.compile(r"Diverging ([A-Za-z -]+?) detected|divergence in ([a-z -]+)", re.IGNORECASE)
ABOUT_RANKS = ("CD801", "CD802", "CD803", "CD804", "CD805", "CD806", "CD807")
STEP = """
import os, sys, time, torch, torch.distributed as dist
dist.init_process_group("gloo")
net = torch.compile(torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(8)]), backend="aot_eager")
x = torch.randn(64, 256)
began = time.process_time()
net(x).sum().backward()
first = time.process_time() - began
began = time.process_time()
for _ in range(100):
    net(x).sum().backward()
print("TIMES", first, time.process_time() - began, flush=True)
dist.barrier()
dist.destroy_process_group()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["suite", "scale", "cost"])
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--source", type=Path, help="scale: two trace files of about a megabyte, of ranks 0 and 1")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--tlparse", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    {"suite": suite, "scale": scale, "cost": cost}[options.what](options)


# ---------------------------------------------------------------- the labelled programs


def suite(options: argparse.Namespace) -> None:
    found = {program.stem: one(program, options) for program in labels.programs(PROGRAMS)}
    tables.save("ranks", found)
    parting = {name: each for name, each in found.items() if not name.startswith("same_")}
    alike = {name: each for name, each in found.items() if name.startswith("same_")}
    programs = f"of {len(parting)} programs"
    rows: list[list[Any]] = [
        ["programs that differ: something said about ranks", *_both(parting, "said"), programs],
        ["… the right finding, line and ranks", sum(each["right"] for each in parting.values()), "–", programs],
        ["programs that do the same: something said about ranks", *_both(alike, "said"), f"of {len(alike)} programs"],
        ["findings about ranks: expected", sum(each["expected"] for each in found.values()), "–", ""],
        ["findings about ranks: missed", sum(each["missed"] for each in found.values()), "–", ""],
        ["findings about ranks: false", sum(each["false"] for each in found.values()), "–", ""],
    ]
    tables.publish("ranks", tables.table(["", "compile-doctor", "tlparse --all-ranks-html", ""], rows), options.write)


def _both(found: dict[str, Any], key: str) -> tuple[Any, Any]:
    others = [each["tlparse"] for each in found.values() if each["tlparse"] is not None]
    return sum(each[key] for each in found.values()), sum(bool(each) for each in others) if others else "–"


def one(program: Path, options: argparse.Namespace) -> dict[str, Any]:
    label = labels.read(program)
    report = make_report(load_capture(RECORDED / f"{program.stem.replace('_', '-')}.zip"))
    expected = Counter((each.code, each.line, each.label) for each in label.expected(TORCH))
    anywhere = {code for code, line, _ in expected if line is None}
    found: Counter[tuple[str, int | None, str]] = Counter()
    for each in report.findings:
        line = each.location.line if each.location and each.code not in anywhere else None
        found[each.code, line, ranges(each.ranks)] += 1
    about = [Counter({key: n for key, n in side.items() if key[0] in ABOUT_RANKS}) for side in (expected, found)]
    return {
        "said": bool(about[1]),
        "right": expected == found,
        "expected": about[0].total(),
        "missed": (about[0] - about[1]).total(),
        "false": (about[1] - about[0]).total(),
        "tlparse": tlparse(program, options.tlparse),
    }


def tlparse(program: Path, chosen: Path | None) -> list[str] | None:
    """The warnings on its page of all ranks; None without tlparse."""
    tool = str(chosen) if chosen else find_tlparse()
    if tool is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        unpack(RECORDED / f"{program.stem.replace('_', '-')}.zip", Path(folder) / "trace")
        finished = run(
            [tool, Path(folder) / "trace", "--all-ranks-html", "-o", out, "--overwrite", "--no-browser"], timeout=120
        )
        page = out / "index.html"
        if finished.code or not page.exists():
            return []
        text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL)
    return sorted({(match[1] or match[2]).strip() for match in WARNING.finditer(text)})


def unpack(recording: Path, to: Path) -> None:
    """The traces of a recording, with the names that torch gives them, by which tlparse knows the ranks."""
    to.mkdir()
    with zipfile.ZipFile(recording) as archive:
        for name in archive.namelist():
            if name.endswith(".log"):
                content = archive.read(name)
                rank = re.search(rb'"rank": (\d+)', content)
                known = rank[1].decode() if rank else "none"
                (to / f"dedicated_log_torch_trace_rank_{known}_{Path(name).stem}.log").write_bytes(content)


# ---------------------------------------------------------------- many ranks


def scale(options: argparse.Namespace) -> None:
    """Copies of two traces as those of many ranks: three do something else, then each has another size."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        for name, distinct in (("three of them odd", False), ("each with another size", True)):
            size = simulate(options.source, Path(folder), options.ranks, distinct)
            reading = read_bytes(Path(folder))
            seconds, cpu, peak = measured(
                [sys.executable, "-m", "compile_doctor", "report", folder, "--format", "json"]
            )
            rows.append(
                [
                    f"{options.ranks:,} ranks, {name}",
                    f"{size / 1e6:,.0f} MB",
                    f"{reading:.2f} s",
                    f"{seconds:.1f} s",
                    f"{cpu:.1f} s",
                    f"{peak:,.0f} MB",
                ]
            )
    head = ["", "traces", "reading the bytes", "report, wall clock", "report, CPU", "peak of one process"]
    tables.publish("ranks-scale", tables.table(head, rows), options.write)


def simulate(source: Path, folder: Path, count: int, distinct: bool) -> int:
    kinds = [file.read_bytes() for file in sorted(source.glob("*.log"))]
    pids = [re.match(rb"V\d{4} \S+ (\d+) ", text)[1] for text in kinds]
    total = 0
    for rank in range(count):
        kind = 0 if rank in (7, count // 2, count // 2 + 1) else 1
        text = kinds[kind].replace(b" %b " % pids[kind], b" %d " % (100_000 + rank))
        text = text.replace(b'"rank": %d' % kind, b'"rank": %d' % rank)
        text = text.replace(b"actual 36", b"actual %d" % (1000 + rank)) if distinct else text
        (folder / f"dedicated_log_torch_trace_rank_{rank}_x.log").write_bytes(text)
        total += len(text)
    return total


def read_bytes(folder: Path) -> float:
    began = time.perf_counter()
    for file in folder.iterdir():
        with file.open("rb") as stream:
            while stream.read(1 << 20):
                pass
    return time.perf_counter() - began


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of wall clock, seconds of CPU and the largest process in MB, its children included."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu, after.ru_maxrss / 1024


# ---------------------------------------------------------------- cost


def cost(options: argparse.Namespace) -> None:
    """The same two ranks, plain and under `run`, in alternating order: the first call, and a hundred more."""
    first: list[float] = []
    later: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "step.py"
        program.write_text(STEP)
        for number in range(options.pairs + 1):
            pair = {}
            for side in ("plain", "doctor") if number % 2 else ("doctor", "plain"):
                pair[side] = times(program, side == "doctor")
            if number:  # the first pair warms the disk cache
                first.append(pair["doctor"][0] / pair["plain"][0])
                later.append(pair["doctor"][1] / pair["plain"][1])
    rows = [
        ["first call, with compiling", median(first), min(first), max(first)],
        ["100 calls after it", median(later), min(later), max(later)],
    ]
    tables.save("ranks-cost", {"first": first, "later": later})
    tables.publish("ranks-cost", tables.table(["under run, of plain", "median", "least", "most"], rows), options.write)


def times(program: Path, observed: bool) -> tuple[float, float]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(program)]
    if observed:
        command = [sys.executable, "-m", "compile_doctor", "run", "--", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found = re.findall(r"TIMES (\S+) (\S+)", done.stdout + done.stderr)
    if len(found) != 2:
        raise SystemExit(json.dumps([done.stdout[-500:], done.stderr[-500:]]))
    return max(float(one) for one, _ in found), max(float(one) for _, one in found)


if __name__ == "__main__":
    main()
