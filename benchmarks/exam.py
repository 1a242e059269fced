"""An exam: small programs over as many kinds of graph breaks and recompilations as possible, and what is said about each.

`exam.yaml` has the programs. Its head explains how an advice is judged: by applying it, if a machine can.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import tables
import yaml
from applied import applied
from processes import ROOT

sys.path.insert(0, str(ROOT))

from compile_doctor.capture.load import load_capture
from compile_doctor.model.asked import Settings
from compile_doctor.processes.children import watch
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.run import launch
from compile_doctor.run.fork_server import fork_server
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

HERE = Path(__file__).resolve().parent
HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
TAIL = """

def build_model():
    return forward


def example_input_sets():
    if "sets" in globals():
        return sets
    given = globals().get("args", (torch.linspace(-1, 1, 32).reshape(4, 8),))
    return [given() if callable(given) else given for _ in range(2)]
"""
BREAKS = frozenset({"CD101", "CD102", "CD103", "CD106"})
SIZES = 2
"""Graphs that a program may have in six calls: one of the first size, and one that is dynamic."""
RECOMPILES = frozenset({"CD201", "CD202", "CD203", "CD204", "CD205", "CD206"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="words in the names of programs; all by default")
    parser.add_argument("--captures", type=Path, help="keep the captures here, or read those that are there")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md and exam.md")
    options = parser.parse_args()
    exam = yaml.safe_load((HERE / "exam.yaml").read_text(encoding="utf-8"))
    wanted = [one for one in exam if not options.programs or any(word in one["name"] for word in options.programs)]
    folder = options.captures or Path(tempfile.mkdtemp(prefix="exam-"))
    folder.mkdir(exist_ok=True)
    kept = tables.load("exam").get("programs", {})
    try:
        found = {
            one["name"]: diagnosed(one, report) for one, report in zip(wanted, reports(wanted, folder), strict=True)
        }
        for name, others in in_processes(wanted, found).items():
            found[name] |= others
    finally:
        if not options.captures:
            shutil.rmtree(folder)
    for one in wanted:
        result = found[one["name"]]
        result["verdict"] = verdict(one, result)
        print(
            f"{one['name']}: {result['verdict']}{' ' + result['problem'] if result.get('problem') else ''}",
            file=sys.stderr,
        )
    results = {**kept, **found} if options.programs else found
    tables.save("exam", {"programs": results})
    tables.publish("exam", summary(exam, results), options.write)
    if options.write:
        (HERE / "exam.md").write_text(page(exam, results), encoding="utf-8")


def program(one: dict[str, Any]) -> str:
    return HEAD + one["text"] + TAIL


def reports(wanted: list[dict[str, Any]], folder: Path) -> list[Report]:
    found = []
    with fork_server(1000, 1, False) as forks:
        for one in wanted:
            path, capture = folder / f"{one['name']}.py", folder / f"{one['name']}.capture"
            if not capture.exists() or not path.exists() or path.read_text() != program(one):
                shutil.rmtree(capture, ignore_errors=True)
                path.write_text(program(one))
                settings = Settings(backend="eager", timeout=120.0, grad=bool(one.get("grad")))
                start = forks.start if forks else watch
                launch.diagnose(parse_target(str(path)), settings, capture, False, Progress(quiet=True), start)
            found.append(make_report(load_capture(capture)))
    return found


def diagnosed(one: dict[str, Any], report: Report) -> dict[str, Any]:
    """Which of the true lines have a finding, by what id, how many findings too many there are, and the advice."""
    lines = list(enumerate(program(one).splitlines(), 1))
    here = [number for number, line in lines if "# here" in line]
    true = here + [number for number, line in lines if "# also" in line]
    codes = RECOMPILES if one.get("recompiles") else BREAKS
    # An info is about what torch does on purpose, or about what needs no change: it is no finding too many.
    found = [
        each
        for each in report.findings
        if each.code in codes and each.location and (each.severity != "info" or each.location.line in true)
    ]
    at = [each for each in found if each.location and each.location.line in true]
    at.sort(key=lambda each: each.location is not None and each.location.line not in here)
    fix = at[0].fix if at else found[0].fix if found else ""
    return {
        "true": len(true),
        "found": bool(found) or not true,
        "line": {each.location.line for each in at if each.location} == set(true),
        "id": next((each.upstream for each in at if each.upstream), ""),
        "extra": len(found) - len(at) + max(0, len(at) - len(true)),
        "fix": fix,
        "at": at[0].location.line if at and at[0].location else 0,
    }


def in_processes(wanted: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """explain, TORCH_LOGS, and the programs with the fix."""
    jobs = []
    for one in wanted:
        job = {"name": one["name"], "text": program(one), "grad": bool(one.get("grad"))}
        result = found[one["name"]]
        if one.get("apply"):
            job["after"] = applied(job["text"], result["at"], result["fix"])
        elif one.get("after"):
            job["after"] = HEAD + one["after"] + TAIL
        setting = re.search(r"^torch\._dynamo\.config\.(\w+) = True", result["fix"], re.MULTILINE)
        if one.get("setting") and setting:
            job |= {"after": job["text"], "settings": {setting[1]: True}}
        jobs.append(job)
    child = subprocess.run(
        [sys.executable, str(HERE / "exam_child.py")],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        check=True,
    )
    return {answer.pop("name"): answer for answer in map(json.loads, child.stdout.splitlines())}


def verdict(one: dict[str, Any], result: dict[str, Any]) -> str:
    """`applied`, `specific`, `general`, `wrong` or `none`, as the head of exam.yaml explains."""
    if not result["true"]:
        return "none" if not result["extra"] else "wrong"
    if not result["line"]:
        return "wrong"
    missing = [words for words in one.get("fix", []) if words not in result["fix"]]
    if missing:
        result["problem"] = f"the fix does not have {missing[0]!r}"
        return "wrong"
    after = result.get("after")
    if after is None:
        return str(one.get("judged", "general"))
    right = one.get("random") or (after.get("equal") and after.get("gradients", True))
    if after.get("breaks") == 0 and right and after.get("graphs", 0) <= max(after.get("graphs_before", 0), SIZES):
        return "applied"
    result["problem"] = f"applied: {after}"
    return "wrong"


def summary(exam: list[dict[str, Any]], results: dict[str, dict[str, Any]]) -> str:
    rows = []
    for number in sorted({one["round"] for one in exam}):
        names = [one for one in exam if one["round"] == number]
        asked = [one for one in names if results.get(one["name"], {}).get("true")]
        blind = Counter(one["blind"] for one in asked)
        now = Counter(results[one["name"]]["verdict"] for one in asked)
        for when, verdicts in (("when it was first run", blind), ("now", now)):
            specific = verdicts["specific"] + verdicts["applied"]
            rows.append(
                (
                    f"{number}, {when}",
                    len(asked),
                    specific,
                    verdicts["general"],
                    verdicts["wrong"],
                    verdicts["missed"],
                    f"{100 * specific / max(1, len(asked)):.0f} %",
                )
            )
    made = [one for one in results.values() if one["true"]]
    clean = [one for one in results.values() if not one["true"]]
    breaking = [results[one["name"]] for one in exam if results[one["name"]]["true"] and not one.get("recompiles")]
    right = {name: sum(one.get(name) == one["true"] for one in breaking) for name in ("explain", "logs")}
    lines = [
        tables.table(("round", "programs", "advice specific", "general", "wrong", "not found", "specific"), rows),
        "",
        f"Found {sum(one['found'] for one in made)} of {len(made)}, at the right line {sum(one['line'] for one in made)}; "
        f"{sum(one['extra'] for one in results.values())} findings too many. "
        f"Of {len(clean)} programs without a cause {sum(not one['extra'] for one in clean)} have no finding. "
        f"The number of breaks is right for {sum(not one['extra'] and one['line'] for one in breaking)} of {len(breaking)} "
        f"programs that break; explain counts {right['explain']} of them right, TORCH_LOGS has as many records for {right['logs']}.",
    ]
    return "\n".join(lines)


def page(exam: list[dict[str, Any]], results: dict[str, dict[str, Any]]) -> str:
    rows = []
    for one in exam:
        result = results[one["name"]]
        counts = [answer if isinstance(answer := result.get(name), int) else "–" for name in ("explain", "logs")]
        yes = {True: "yes", False: "no"}
        rows.append(
            (
                one["name"],
                result["true"],
                yes[result["found"]],
                yes[result["line"]],
                result["id"] or "–",
                result["extra"],
                result["verdict"],
                *counts,
            )
        )
    head = ("program", "true", "found", "line", "id", "too many", "advice", "explain", "TORCH_LOGS")
    return (
        "# The exam, program by program\n\n"
        "Made by `python benchmarks/exam.py --write`. [README.md](README.md#exam) explains it; the programs are in `exam.yaml`.\n\n"
        f"{tables.table(head, rows)}\n"
    )


if __name__ == "__main__":
    main()
