"""`compile-doctor fix` on the labelled programs: which findings have a rewrite for their cause, and which of them it removes."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import labels
import tables
from processes import ROOT

sys.path.insert(0, str(ROOT))

from compile_doctor.capture.load import load_capture
from compile_doctor.errors import DoctorError
from compile_doctor.mend.options import Options
from compile_doctor.mend.result import Mended
from compile_doctor.mend.rewrites import fitting
from compile_doctor.mend.search import Search
from compile_doctor.model.asked import Settings
from compile_doctor.processes.children import watch
from compile_doctor.processes.scratch import scratch
from compile_doctor.report.make import make_report
from compile_doctor.run.fork_server import fork_server
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

PROGRAMS = ROOT / "tests" / "programs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="names of programs; all by default")
    parser.add_argument("--budget", type=float, default=300)
    parser.add_argument("--only-table", action="store_true", help="publish the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    programs = [path for path in labels.programs(PROGRAMS) if not options.programs or path.stem in options.programs]
    results: dict[str, Any] = tables.load("fix").get("programs", {})
    for path in [] if options.only_table else programs:
        label = labels.read(path)
        if label.command != "diagnose":
            continue
        if not has_rewrite(path):
            continue
        began = time.monotonic()
        results[path.stem] = {**mend(path, label, options.budget), "seconds": round(time.monotonic() - began, 1)}
        print(f"{path.stem}: {line(results[path.stem])}", file=sys.stderr, flush=True)
        tables.save("fix", {"programs": results})
    tables.publish("fix", table(results), options.write)


def has_rewrite(path: Path) -> bool:
    """Whether the recorded diagnosis of a program has a finding with a rewrite; a clean program has none."""
    capture = ROOT / "tests" / "evidence" / "2.13.0" / f"{path.stem.replace('_', '-')}.zip"
    return not capture.exists() or any(fitting(one.cause) for one in make_report(load_capture(capture)).findings)


def mend(path: Path, label: labels.Labels, budget: float) -> dict[str, Any]:
    """The outcome of one program."""
    given = {"backend": label.backend or "eager", "timeout": 120.0}
    words = list(label.options)
    for word in words:
        name = word.lstrip("-").replace("-", "_")
        if name in ("grad", "as_is"):
            given[name] = True
        elif name in ("dynamic", "no_dynamic"):
            given["dynamic"] = name == "dynamic"
    if "--tokens" in words:
        given["tokens"] = int(words[words.index("--tokens") + 1])
    with scratch("bench") as folder, fork_server(1000, 1, False) as forks, quiet(folder / "output.txt"):
        start = watch if forks is None else forks.start
        search = Search(
            parse_target(str(path)), Settings(**given), Options(budget=budget), folder, start, Progress(True)
        )
        try:
            return outcome(search.run())
        except DoctorError as error:
            return {"error": str(error)}


@contextlib.contextmanager
def quiet(file: Path) -> Any:
    """What the programs print goes into a file."""
    os.environ["COMPILE_DOCTOR_OUTPUT"] = str(file)
    try:
        yield
    finally:
        del os.environ["COMPILE_DOCTOR_OUTPUT"]


def outcome(mended: Mended) -> dict[str, Any]:
    tried = {identity(step.finding) for step in mended.steps}
    return {
        "before": vars(mended.before),
        "after": vars(mended.after),
        "verdict": mended.verdict,
        "tried": sorted(tried),
        "mended": [identity(step.finding) for step in mended.kept],
        "kept": [f"{step.finding.code} {step.rewrite}" for step in mended.kept],
        "left": [[one.finding.code, one.finding.cause, one.reason] for one in mended.left],
        "with_rewrite": sum(1 for one in mended.left if fitting(one.finding.cause)) + len(mended.kept),
        "unlike": mended.unlike,
        "unfinished": mended.unfinished,
        "patch": mended.patch(),
        "cases": mended.cases,
    }


def identity(finding: Any) -> str:
    at = finding.location.function if finding.location else ""
    return f"{finding.code} {finding.cause} {at}"


def line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"error: {result['error']:.100}"
    left = "; ".join(f"{code} {cause}: {reason:.90}" for code, cause, reason in result["left"])
    counts = f"{result['before']['findings']} → {result['after']['findings']}"
    return f"{counts}, kept {len(result['kept'])} {result['kept']} | {left} [{result['seconds']} s] {json.dumps(result['verdict'])}"


def table(results: dict[str, Any]) -> str:
    """By cause: findings whose cause has a rewrite, how many of them are gone, and by which rewrites."""
    found: dict[str, list[int]] = {}
    by: dict[str, dict[str, None]] = {}
    for result in results.values():
        gone = [one.split(" ", 1)[1] for one in result.get("mended", ())]
        for cause, rewrite in zip(gone, (one.split()[1] for one in result.get("kept", ()))):
            key = kind(cause.rsplit(" ", 1)[0])
            found.setdefault(key, [0, 0])[0] += 1
            found[key][1] += 1
            by.setdefault(key, {})[rewrite] = None
        for _, cause, _ in result.get("left", ()):
            if fitting(cause):
                found.setdefault(kind(cause), [0, 0])[0] += 1
    rows = [(cause, *found[cause], ", ".join(by.get(cause, {})) or "–") for cause in sorted(found)]
    count, gone_count = (sum(one[n] for one in found.values()) for n in (0, 1))
    share = f"{100 * gone_count / count:.0f} %" if count else "–"
    rows.append(("all", count, gone_count, share))
    return tables.table(("cause", "findings with a rewrite", "fixed", "by"), rows)


def kind(cause: str) -> str:
    """The cause without what is special to a program."""
    return cause.partition(":")[0]


if __name__ == "__main__":
    main()
