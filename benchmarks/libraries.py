"""Small models of libraries that nothing else here uses: what torch recorded, and what `diagnose` says.

`libraries.yaml` has the programs. Their packages are not dependencies of anything: the versions that were measured are in
the file, and a program whose package is missing is left out. The true sites are torch's own records of graph breaks, made
in a process without compile-doctor; the advice was read by a person (`first` and `now` in the file).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tables
import yaml
from processes import ROOT

HERE = Path(__file__).resolve().parent
BREAKS = frozenset({"CD101", "CD102", "CD103"})
VERDICTS = ("specific", "general", "wrong")
WHEN = ("first", "now")
SITE = re.compile(r"Graph break in user code at ([^\n]+?):(\d+)\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="words in the names of programs; all by default")
    parser.add_argument("--truth", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--reports", type=Path, help="keep the reports in this folder, to read the advice")
    parser.add_argument("--only-table", action="store_true", help="publish the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    if options.truth:
        print(json.dumps(recorded(Path(options.truth))))
        return
    programs = yaml.safe_load((HERE / "libraries.yaml").read_text(encoding="utf-8"))
    results: dict[str, Any] = tables.load("libraries").get("programs", {})
    wanted = [one for one in programs if not options.programs or any(word in one["name"] for word in options.programs)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for one, found in pool.map(
            lambda one: (one, measured(one, options.reports)), [] if options.only_table else wanted
        ):
            results[one["name"]] = found
            print(f"{one['name']}: {found}", file=sys.stderr, flush=True)
            tables.save("libraries", {"programs": results})
    tables.publish("libraries", table(programs, results), options.write)


def measured(one: dict[str, Any], reports: Path | None) -> dict[str, Any]:
    """The true sites, those that were found, those that are not true, and the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"program_{one['name']}.py"  # not the name of the library: it would be imported instead
        path.write_text("import torch\n\n" + one["text"], encoding="utf-8")
        child = subprocess.run(
            [sys.executable, __file__, "--truth", str(path)], capture_output=True, text=True, check=False
        )
        lines = child.stdout.splitlines()
        truth = json.loads(lines[-1]) if child.returncode == 0 and lines else {"missing": child.stderr[-200:]}
        if "missing" in truth:
            return truth
        command = [sys.executable, "-m", "compile_doctor", "diagnose", str(path), "--backend", "eager"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [*command, "--format", "json"], capture_output=True, text=True, check=False, env=environment
        )
        if reports:
            (reports / f"{one['name']}.json").write_text(run.stdout, encoding="utf-8")
    return scored(truth, json.loads(run.stdout), run.returncode)


def scored(truth: dict[str, Any], report: dict[str, Any], code: int) -> dict[str, Any]:
    sites = {(place(file), line) for file, line in truth["sites"]}
    placed = [(each, at(each["location"])) for each in report["findings"] if each.get("location")]
    own = {where for _, where in placed}
    named = {at(other) for each, _ in placed for other in each["also"]}
    # The place of a line in generated code is the function that it stands for.
    extra = {
        where
        for each, where in placed
        if each["code"] in BREAKS and where not in sites and not sites & {at(other) for other in each["also"]}
    }
    return {
        "sites": len(sites),
        "found": len(sites & own),
        "named": len(sites & named - own),
        "missed": sorted(f"{file}:{line}" for file, line in sites - named - own),
        "extra": sorted(f"{file}:{line}" for file, line in extra),
        "findings": len(report["findings"]),
        "explain": truth["explain"],
        "records": truth["records"],
        "code": code,
        "right_code": code == (1 if sites or truth["failed"] else 0),
    }


def at(location: dict[str, Any]) -> tuple[str, int]:
    return place(location["file"]), location["line"]


def place(file: str) -> str:
    """A file without the folders of this machine, and generated code without its address."""
    short = re.sub(r"^.*?(?:site-packages|dist-packages)/", "", file) if "packages/" in file else Path(file).name
    return re.sub(r" at 0x[0-9a-f]+>$", ">", short)


def recorded(path: Path) -> dict[str, Any]:
    """torch's records of graph breaks for one program, and what explain counts. Runs in a process of its own."""
    import torch

    logging.disable(logging.CRITICAL)
    reasons: list[str] = []

    def trace(_name: str, metadata_fn: Any = dict, *, payload_fn: Any = lambda: "", **_: Any) -> None:
        if metadata_fn().get("name") == "dynamo_graph_break_reason":
            reasons.append(payload_fn())

    torch._logging.trace_structured = trace
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        torch.manual_seed(0)
        model, sets = module.build_model(), module.example_input_sets()
        for args in sets:
            model(*args)
    except Exception as error:
        return {"missing": f"{type(error).__name__}: {error}"[:200]}
    torch.manual_seed(0)
    model, failed = torch.compile(module.build_model(), backend="eager"), False
    try:
        for args in sets:
            model(*args)
    except Exception:
        failed = True
    sites = {(file, int(line)) for reason in reasons for file, line in SITE.findall(reason)[:1]}
    records = len(reasons)
    torch._dynamo.reset()
    try:
        explain = sum(torch._dynamo.explain(module.build_model())(*args).graph_break_count for args in sets)
    except Exception as error:
        explain = f"{type(error).__name__}"
    return {"sites": sorted(sites), "records": records, "failed": failed, "explain": explain}


def table(programs: list[dict[str, Any]], results: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    total: Counter[str] = Counter()
    advice = {when: Counter[str]() for when in WHEN}
    for one in programs:
        found = results.get(one["name"], {"missing": "not run"})
        if "missing" in found:
            rows.append((one["name"], one["library"], *["–"] * 8, "not run"))
            continue
        for when in WHEN:
            advice[when].update(one.get(when, {}))
        total.update(
            {name: found.get(name, 0) for name in ("sites", "found", "named", "findings", "records", "right_code")}
        )
        total.update(extra=len(found["extra"]), programs=1)
        total["explain"] += found["explain"] if isinstance(found["explain"], int) else 0
        right = "yes" if found["right_code"] else f"no: {found['code']}"
        figures = (found["sites"], found["found"], found.get("named", 0), len(found["extra"]), found["findings"])
        cells = (*figures, found["explain"], found["records"], right)
        rows.append((one["name"], one["library"], *cells, words(one.get("now", {}))))
    sums = [total[name] for name in ("sites", "found", "named", "extra", "findings", "explain", "records")]
    right = f"{total['right_code']} of {total['programs']}"
    rows.append((f"all {total['programs']}", "", *sums, right, words(advice["now"])))
    header = (
        *("model", "library", "true lines", "found", "named in another", "not true", "findings"),
        *("explain", "records", "exit code", "advice"),
    )
    return f"{tables.table(header, rows)}\n\nAdvice when they were first run: {words(advice['first'])}; now: {words(advice['now'])}."


def words(advice: Mapping[str, int]) -> str:
    return ", ".join(f"{advice[word]} {word}" for word in VERDICTS if advice.get(word)) or "–"


if __name__ == "__main__":
    main()
