"""Writes the tables of the parity suite, one per torch, to parity/TORCH-DEVICE.{md,json}; --write puts sums into README.md.

    python benchmarks/parity.py                                            # the torch of this Python
    python benchmarks/parity.py venv-2.8/bin/python venv-2.15/bin/python --write
    python benchmarks/parity.py --from gpu.json --from gpu-float32.json --write   # `-o json:…` of another machine

Each Python needs torch and the dependencies of compile-doctor. Float32 takes minutes, all dtypes take three times as long.
Numbers depend on the vector width of the machine; statuses should not.
The workers share the cores. Set `--jobs` to the number of cores, so that each worker has one thread: with more threads,
torch 2.8 cannot compile flex_attention on a CPU without the recipe cpu-flex-openmp.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

from tables import publish, table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render.parity_markdown import render

FOLDER = Path(__file__).resolve().parent / "parity"
STATUSES = ("PASS", "DRIFT", "FAIL", "KNOWN", "UNSUPPORTED", "N/A")


def run(python: str, dtypes: list[str], device: str, jobs: int) -> Path:
    """Runs the suite and writes both files; returns the JSON's path."""
    FOLDER.mkdir(exist_ok=True)
    command = [python, "-m", "compile_doctor", "parity", "--suite", "--device", device, "-j", str(jobs)]
    command += [part for dtype in dtypes for part in ("--dtype", dtype)]
    done = subprocess.run(
        [*command, "--format", "json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{python}: exit code {done.returncode}")
    return write([json.loads(done.stdout)])


def write(documents: list[dict]) -> Path:
    """Both files, from the documents of one torch and device, which have different dtypes; returns the JSON's path."""
    found = documents[0]
    for more in documents[1:]:
        if more["environment"] != found["environment"]:
            raise SystemExit("these documents are not from the same torch, machine and settings")
        found["cells"] += more["cells"]
    for cell in found["cells"]:
        for name in ("max_error", "tolerance"):  # JSON has no infinity, which older versions wrote
            finite = cell[name] is not None and math.isfinite(cell[name])
            cell[name] = float(f"{cell[name]:.2e}") if finite else None
    name = f"{found['environment']['torch'].partition('+')[0]}-{found['environment']['device']}"
    (FOLDER / f"{name}.md").write_text(render(as_parity(found), 1), encoding="utf-8")
    path = FOLDER / f"{name}.json"
    head = json.dumps({key: value for key, value in found.items() if key != "cells"})[1:-1]
    cells = ",\n".join(json.dumps(cell) for cell in found["cells"])
    path.write_text(f'{{{head}, "cells": [\n{cells}\n]}}\n', encoding="utf-8")
    return path


def as_parity(document: dict) -> Parity:
    """A document as the result that it was written from."""
    cells = tuple(Cell(**cell) for cell in document["cells"])
    return Parity(document["subject"], document["environment"], cells, notes=tuple(document["notes"]))


def summary() -> str:
    """The table of the committed files."""
    rows = []
    numbers = re.compile(r"\d+")
    for file in sorted(FOLDER.glob("*.json"), key=lambda one: ([*map(int, numbers.findall(one.stem))], one.stem)):
        document = json.loads(file.read_text(encoding="utf-8"))
        cells, environment = document["cells"], document["environment"]
        torch, _, device = file.stem.partition("-")
        device = environment.get("gpu") or device
        counts = [
            sum(("KNOWN" if cell.get("known") else cell["status"]) == status for cell in cells) for status in STATUSES
        ]
        dtypes = ", ".join(dict.fromkeys(cell["dtype"] for cell in cells))
        rows.append([f"[{torch}](parity/{file.name.removesuffix('json')}md)", device, dtypes, *counts])
    return table(("torch", "device", "dtypes", *STATUSES), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="*", default=[sys.executable])
    parser.add_argument("--dtype", action="append", default=[], help="may be repeated [all]")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="update the table in README.md")
    parser.add_argument("--from", dest="documents", action="append", default=[], type=Path, metavar="FILE")
    parser.add_argument("--summary", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    if made := [json.loads(one.read_text(encoding="utf-8")) for one in arguments.documents]:
        print(write(made), file=sys.stderr)
    for python in [] if arguments.summary or made else arguments.pythons:
        print(run(python, arguments.dtype or ["all"], arguments.device, arguments.jobs), file=sys.stderr)
    publish("parity", summary(), arguments.write)


if __name__ == "__main__":
    main()
