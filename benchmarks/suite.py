"""Precision and recall on the labelled programs in tests/programs/, compared with explain, tlparse and TORCH_LOGS."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import doctor
import labels
import others
import scores
import tables
from processes import ROOT, run

PROGRAMS = ROOT / "tests" / "programs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="names of programs; all by default")
    parser.add_argument("--directory", type=Path, default=PROGRAMS)
    parser.add_argument("--captures", type=Path, help="replay DIR/NAME or DIR/NAME.* with `report` instead of running")
    parser.add_argument(
        "--only", choices=["others", "doctor"], help="measure only these; keep the last figures of the other side"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    programs = [
        path for path in labels.programs(options.directory) if not options.programs or path.stem in options.programs
    ]
    kept: dict[str, Any] = tables.load("suite").get("programs", {})
    version = None if options.captures else torch_version()
    results: dict[str, Any] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [(path, kept.get(path.stem, {}), options, version) for path in programs]
        for path, result in zip(programs, pool.map(lambda job: judge(*job), jobs), strict=True):
            results[path.stem] = result
            tables.save("suite", {"programs": {**kept, **results}})
            print(f"{path.stem}: {summary_line(result)}", file=sys.stderr, flush=True)
    totals = scores.per_code(results)
    tables.save("suite", {"programs": {**kept, **results}, "codes": totals})
    tables.publish("suite", scores.code_table(totals), options.write)
    tables.publish("sites", scores.site_table(results), options.write)
    for line in scores.mistakes(results):
        print(line)


def judge(path: Path, kept: dict[str, Any], options: argparse.Namespace, version: str | None) -> dict[str, Any]:
    """What was expected of one program, what compile-doctor reported, and what the other tools reported."""
    label = labels.read(path)
    result: dict[str, Any] = {}
    if options.only == "others":
        result["doctor"] = kept.get("doctor", {"error": "not run"})
    else:
        result["doctor"] = shorten(
            replay(path, options) if options.captures else diagnose(path, label, options.timeout)
        )
    torch = result["doctor"].get("torch") or version or kept.get("torch") or "0"
    result["torch"] = torch
    result["expected"] = sorted({(one.code, relative(one.file), one.line) for one in label.expected(torch)}, key=str)
    result["summary"] = label.summary(torch)
    result["graph_breaks"] = label.graph_breaks(torch)
    if options.only == "doctor" or options.captures:
        result["others"] = kept.get("others", {})
    else:
        result["others"] = others.measure(
            path, label.backend or "eager", label.options, patience(label, options.timeout)
        )
    return result


def patience(label: labels.Labels, timeout: float) -> float:
    """The timeout: that of the program's own `--timeout` if it is shorter, for programs that are known to hang."""
    given = [float(value) for name, value in zip(label.options, label.options[1:], strict=False) if name == "--timeout"]
    return min([timeout, *given])


def diagnose(path: Path, label: labels.Labels, timeout: float) -> dict[str, Any]:
    if label.command == "run":
        return {"error": "it is a script: score its recording with --captures"}
    return doctor.diagnose(path, ["--backend", label.backend or "eager", *label.options], timeout)


def replay(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    recorded = sorted(options.captures.glob(path.stem)) or sorted(options.captures.glob(f"{path.stem}.*"))
    return doctor.report(recorded[0], options.timeout) if recorded else {"error": "no capture"}


def shorten(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a report that the scores need, with files relative to the checkout."""
    kept: dict[str, Any] = {
        key: document[key] for key in ("error", "exit", "wall_seconds", "verdict", "summary") if key in document
    }
    found = doctor.findings(document)
    for finding in found:
        finding["file"] = relative(ROOT / finding["file"]) if finding["file"] else None
    return {**kept, "findings": found, "torch": document.get("environment", {}).get("torch", "").split("+")[0]}


def relative(path: Path) -> str:
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else str(resolved)


def torch_version() -> str:
    return (
        run([sys.executable, "-c", "from importlib.metadata import version; print(version('torch'))"])
        .stdout.strip()
        .split("+")[0]
    )


def summary_line(result: dict[str, Any]) -> str:
    if "summary" not in result["doctor"]:
        return str(result["doctor"].get("error", "no report"))
    missing, spurious = scores.differences(result)
    extra = Counter(code for code, _, _ in spurious)
    return (
        "as labelled"
        if not missing and not spurious
        else f"missing {sorted(missing, key=str)}, not labelled {dict(extra)}"
    )


if __name__ == "__main__":
    main()
