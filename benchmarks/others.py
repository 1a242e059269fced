"""What explain, tlparse and TORCH_LOGS report for one target. If an output can be read in two ways, the better one counts."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import ROOT, Finished, run

CHILD = ROOT / "benchmarks" / "child.py"
LOG_RECORD = re.compile(r"\[__graph_breaks\] Graph break\b.*? in user code at (.+?):(\d+)\s*$", re.MULTILINE)
PAYLOAD_SITE = re.compile(r"Graph break(?: \([^)]*\))? in user code at (.+?):(\d+)\s*$", re.MULTILINE)
FAILURE_ROW = re.compile(r"<tr>\s*<td>\s*<a href='[^']*'>\[([^\]]*)\]</a>\s*</td>\s*<td>\s*(\w+)")


def measure(target: Path, backend: str = "eager", options: Sequence[str] = (), timeout: float = 300) -> dict[str, Any]:
    """Two runs: one with explain, and one with torch.compile for both TORCH_LOGS and tlparse."""
    dynamic = "false" if "--no-dynamic" in options else "true" if "--dynamic" in options else "auto"
    flags = [option for option in options if option in ("--grad", "--as-is")]
    common: list[str | Path] = [target, "--backend", backend, "--dynamic", dynamic, *flags]
    with tempfile.TemporaryDirectory(prefix="doctor-others-") as temporary:
        folder = Path(temporary)
        caches = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
        explained = run([sys.executable, CHILD, "explain", *common], caches, timeout)
        traced = run(
            [sys.executable, CHILD, "compile", *common],
            {**caches, "TORCH_TRACE": str(folder / "trace"), "TORCH_LOGS": "graph_breaks,recompiles"},
            timeout,
        )
        return {
            "explain": explain_counts(explained),
            "tlparse": tlparse_counts(folder / "trace", folder),
            "torch_logs": log_counts(traced.stderr),
            "run": result_of(traced),
        }


def result_of(finished: Finished) -> dict[str, Any]:
    """The JSON line of the child; empty if the process died before it."""
    for line in reversed(finished.stdout.splitlines()):
        if line.startswith("@result "):
            return dict(json.loads(line.removeprefix("@result ")))
    return {"error": finished.last_error()}


def explain_counts(finished: Finished) -> dict[str, Any]:
    """`sites` is more than explain prints: the distinct innermost frames of the stacks of its reasons."""
    result = result_of(finished)
    if "graph_breaks" not in result:
        return {"error": result.get("error", "no result")}
    sites = {reason["stack"][-1] for reason in result["reasons"] if reason["stack"]}
    return {
        "breaks": result["graph_breaks"],
        "graphs": result["graphs"],
        "reasons": len(result["reasons"]),
        "sites": sorted(sites),
    }


def log_counts(log: str) -> dict[str, Any]:
    """`lines` is what grep counts; `records` omits the warnings that repeat "Graph break"."""
    records = LOG_RECORD.findall(log)
    return {
        "lines": sum("Graph break" in line for line in log.splitlines()),
        "records": len(records),
        "sites": sorted({f"{file}:{line}" for file, line in records}),
        "recompiles": len(re.findall(r"\[__recompiles\] Recompiling function", log)),
    }


def tlparse_counts(trace: Path, folder: Path) -> dict[str, Any]:
    """The rows of its "Failures and Restarts" page, and the break artifacts of its compile directory."""
    program = find_tlparse()
    if program is None:
        return {"error": "tlparse is not installed"}
    rows: list[str] = []
    compile_ids: set[str] = set()
    sites: list[str] = []
    for number, log in enumerate(sorted(trace.glob("*.log"))):
        out = folder / f"tlparse-{number}"
        finished = run([program, log, "-o", out, "--no-browser"], timeout=120)
        if finished.code:
            return {"error": finished.last_error()}
        page = out / "failures_and_restarts.html"
        rows += [kind for _, kind in FAILURE_ROW.findall(page.read_text())] if page.exists() else []
        directory = json.loads((out / "compile_directory.json").read_text())
        compile_ids |= {f"{number}:{name.strip('[]').split('_')[0]}" for name in directory if name[:2] != "[-"}
        for artifact in (artifact for entry in directory.values() for artifact in entry["artifacts"]):
            if artifact["name"].startswith("dynamo_graph_break_reason"):
                sites += [f"{file}:{line}" for file, line in PAYLOAD_SITE.findall((out / artifact["url"]).read_text())][
                    :1
                ] or ["?"]
    return {
        "rows": len(rows),
        "restarts": rows.count("RestartAnalysis"),
        "artifacts": len(sites),
        "sites": sorted(set(sites) - {"?"}),
        "compile_ids": len(compile_ids),
    }


def find_tlparse() -> str | None:
    beside = Path(sys.executable).parent / "tlparse"
    return str(beside) if beside.exists() else shutil.which("tlparse")
