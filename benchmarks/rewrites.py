"""The before/after cases of tests/rewrites/, run under several torches: breaks before and after, and equal results.

    python benchmarks/rewrites.py PYTHON… --write

`rewrites.yaml` says how each case is called. A case is right if no break is left, and the results equal those of the
text before in eager mode.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import tables
import yaml
from processes import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="*", help="one interpreter for each torch; without any, the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    wanted, names = cases()
    results: dict[str, Any] = tables.load("rewrites").get("versions", {})
    for python in options.pythons:
        command = [python, str(HERE / "rewrites_child.py")]
        done = subprocess.run(
            command, input=json.dumps(wanted), capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode:
            sys.exit(f"{python}: {done.stderr[-2000:]}")
        found = json.loads(done.stdout)
        results[found["torch"]] = found["cases"]
        tables.save("rewrites", {"versions": results})
    tables.publish("rewrites", table(results, names), options.write)


def cases() -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What the child runs, and the rewrite of each case."""
    import test_fix_rewrites as tested

    runs = yaml.safe_load((HERE / "rewrites.yaml").read_text(encoding="utf-8"))
    changed = {case.about: case for case in tested.CASES if case.before != case.after}
    missing = set(changed) ^ set(runs)
    if missing:
        sys.exit(f"rewrites.yaml and the cases of the tests differ: {sorted(missing)}")
    wanted = []
    for name, case in changed.items():
        run = {"setup": "", "made": "", "calls": [], "recompiles": False, **runs[name]}
        if not run.pop("skip", ""):
            wanted.append({"name": name, "before": tested.whole(case.before), "after": tested.whole(case.after), **run})
    return wanted, {name: case.name for name, case in changed.items()}


def table(results: dict[str, Any], names: dict[str, str]) -> str:
    versions = sorted(results, key=lambda one: tuple(map(int, one.split("."))))
    rows: list[tuple[object, ...]] = []
    right = dict.fromkeys(versions, 0)
    count = 0
    for name, rewrite in names.items():
        if not any(name in results[one] for one in versions):
            continue
        count += 1
        cells = []
        for one in versions:
            text, good = cell(results[one].get(name))
            right[one] += good
            cells.append(text)
        rows.append((name, rewrite, *cells))
    rows.append(("right", "", *(f"{right[one]} of {count}" for one in versions)))
    return tables.table(("case", "rewrite", *versions), rows)


def cell(found: dict[str, Any] | None) -> tuple[str, bool]:
    """Breaks before → after, and what is wrong."""
    if found is None:
        return "–", False
    text = f"{found['before']}{' (' + kind(found['error_before']) + ')' if found['error_before'] else ''} → "
    if found["error"]:
        return text + kind(found["error"]), False
    good = found["equal"] and not found["after"]
    return text + str(found["after"]) + ("" if found["equal"] else ", not equal"), good


def kind(error: str) -> str:
    return error.partition(":")[0]


if __name__ == "__main__":
    main()
