"""`compile-doctor fix --vendor` on the transformers models of `models/` that break: breaks before and after."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import fix
import tables
from processes import ROOT

sys.path.insert(0, str(ROOT))

from compile_doctor.errors import DoctorError
from compile_doctor.mend.options import Options
from compile_doctor.mend.search import Search
from compile_doctor.model.asked import Settings
from compile_doctor.processes.children import watch
from compile_doctor.processes.scratch import scratch
from compile_doctor.run.fork_server import fork_server
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

MEMORY = 14_000_000_000
"""Bytes that a model may take: some of them have 20 GB of weights even with two layers."""
MODELS = Path(__file__).resolve().parent / "models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names of models; all that break by default")
    parser.add_argument("--directory", type=Path, default=MODELS)
    parser.add_argument("--table", default="fix-models")
    parser.add_argument("--budget", type=float, default=600)
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--resume", type=Path, help="a folder that keeps each search, so that it can go on")
    parser.add_argument("--only-table", action="store_true", help="publish the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    results: dict[str, Any] = tables.load(options.table).get("models", {})
    for name in [] if options.only_table else options.models or breaking():
        began = time.monotonic()
        found = mend(options.directory / f"{name}.py", options.budget, options.inputs, options.resume)
        results[name] = {**found, "seconds": round(time.monotonic() - began, 1)}
        print(f"{name}: {fix.line(results[name])}", file=sys.stderr, flush=True)
        tables.save(options.table, {"models": results})
    paper = tables.load_file(options.directory / "paper.json")
    text = paper_table(results, paper) if paper else table(results)
    tables.publish(options.table, text, options.write)


def breaking() -> list[str]:
    truth = json.loads((MODELS / "truth.json").read_text())
    return sorted(name for name, sites in truth.items() if sites)


def mend(path: Path, budget: float, inputs: int, resume: Path | None = None) -> dict[str, Any]:
    settings = Settings(backend="eager", timeout=300.0, repeat=1, memory_limit=MEMORY)
    kept = resume / path.stem if resume else None
    options = Options(budget=budget, cases=inputs, packages=True, resume=kept)
    with scratch("bench") as folder, fork_server(1000, 1, False) as forks, fix.quiet(folder / "output.txt"):
        start = watch if forks is None else forks.start
        try:
            return fix.outcome(Search(parse_target(str(path)), settings, options, folder, start, Progress(True)).run())
        except DoctorError as error:
            return {"error": str(error)}


def paper_table(results: dict[str, Any], paper: dict[str, Any]) -> str:
    """One row for each model of a paper: its breaks (graphs - 1) there and here. Models that share code share a run."""
    rows: list[tuple[object, ...]] = []
    total = [0, 0, 0]
    for name, row in paper.items():
        theirs = (row["breaks"], round(row["breaks"] * (100 - row["gone"]) / 100))
        found = results.get(row["file"] or "")
        if not found or "error" in found:
            why = row.get("why") or (found["error"][:90] if found else "not run")
            rows.append((name, *theirs, "–", "–", f"not run: {why}"))
            continue
        a, b = found["before"]["graphs"] - 1, found["after"]["graphs"] - 1
        total = [total[0] + a, total[1] + b, total[2] + (b > a)]
        kept = ", ".join(dict.fromkeys(one.split()[1] for one in found["kept"])) or "none"
        rows.append((name, *theirs, a, b, kept + (" (the budget ended)" if found["unfinished"] else "")))
    share = f"{100 * (total[0] - total[1]) / total[0]:.0f} % gone" if total[0] else "–"
    rows.append(("all that were run", "", "", total[0], total[1], f"{share}, {total[2]} models worse"))
    header = ("model", "paper: before", "after", "here: before", "after", "rewrites that were kept")
    return tables.table(header, rows)


def table(results: dict[str, Any]) -> str:
    rows = []
    total = [0, 0, 0, 0]
    for name, found in sorted(results.items()):
        if "error" in found:
            rows.append((name, "–", "–", "–", "–", found["error"][:80]))
            continue
        a, b = found["before"], found["after"]
        cells = (a["graph_breaks"], b["graph_breaks"], a["graphs"], b["graphs"])
        total = [x + y for x, y in zip(total, cells)]
        rows.append((name, *cells, ", ".join(dict.fromkeys(one.split()[1] for one in found["kept"])) or "none"))
    rows.append(("all", *total, ""))
    header = ("model", "breaks before", "breaks after", "graphs before", "graphs after", "rewrites that were kept")
    return tables.table(header, rows)


if __name__ == "__main__":
    main()
