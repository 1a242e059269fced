"""The gate on single edits: it has to fail for every harmful edit, with its code and line, and to pass for harmless ones.

python benchmarks/mutations.py -j 2 --write    runs the command line in scratch repositories
python benchmarks/mutations.py --record        records what torch did with each edit, for tests/test_mutations.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mutants
import tables
from processes import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only edits whose base or name contains one of these")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--replay", action="store_true", help="evaluate the recordings instead of running anything")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--missing", action="store_true", help="record only what has no recording yet")
    options = parser.parse_args()
    chosen = [(base, edit) for base in mutants.bases() for edit in base.edits if wanted(edit, options.words)]
    if options.record:
        record(chosen, options.missing)
    else:
        publish(replay(chosen) if options.replay else run(chosen, options.jobs), options.write)


def wanted(edit: mutants.Edit, words: list[str]) -> bool:
    return not words or any(word in f"{edit.base} {edit.name}" for word in words)


def run(chosen: list[tuple[mutants.Base, mutants.Edit]], jobs: int) -> dict[str, dict[str, Any]]:
    """{base and name: what was wrong with the gate's answer, and the seconds of its check}."""
    kept: dict[str, dict[str, Any]] = tables.load("mutations") or {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        names = {base.name: base for base, _ in chosen}
        baselines = dict(zip(names, pool.map(lambda base: baseline(Path(folder), base), names.values())))
        answers = pool.map(lambda pair: check(Path(folder), *pair, baselines[pair[0].name]), chosen)
        for (base, edit), answer in zip(chosen, answers):
            kept[f"{base.name}: {edit.name}"] = answer
            print(f"{base.name}: {edit.name}: {answer['wrong'] or 'right'}", file=sys.stderr, flush=True)
    known = {f"{base.name}: {edit.name}" for base in mutants.bases() for edit in base.edits}
    kept = {name: answer for name, answer in kept.items() if name in known}
    tables.save("mutations", kept)
    return kept


def replay(chosen: list[tuple[mutants.Base, mutants.Edit]]) -> dict[str, dict[str, Any]]:
    """The same from the recordings of an earlier run: without torch, and in a minute for all."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            f"{base.name}: {edit.name}": {
                "harm": edit.harm,
                "exit": edit.exit,
                "wrong": mutants.replay(base, edit, Path(folder) / base.name),
            }
            for base, edit in chosen
        }


def baseline(folder: Path, base: mutants.Base) -> Path:
    """The folder of the base's baseline."""
    repository = scratch(folder / base.name, base, base.files)
    done = doctor(repository, "baseline", "update")
    if done.returncode:
        raise SystemExit(f"{base.name}: {done.stdout}{done.stderr}")
    return repository / ".compile-doctor"


def check(folder: Path, base: mutants.Base, edit: mutants.Edit, baselines: Path) -> dict[str, Any]:
    files = mutants.edited(base, edit)
    repository = scratch(folder / edit.slug, base, files)
    (repository / ".compile-doctor").symlink_to(baselines)
    started = time.monotonic()
    done = doctor(repository, "check", "--format", "json", "-v")
    seconds = time.monotonic() - started
    try:
        wrong = mutants.mistake(edit, files, done.returncode, json.loads(done.stdout))
    except ValueError:
        wrong = f"exit {done.returncode}: {done.stderr.strip()[-300:]}"
    return {"harm": edit.harm, "exit": edit.exit, "wrong": wrong, "seconds": round(seconds, 1)}


def scratch(folder: Path, base: mutants.Base, files: dict[str, str]) -> Path:
    options = [f"{key} = {json.dumps(value)}" for key, value in base.target.items()]
    project = ["[[tool.compile-doctor.targets]]", 'name = "model"', f'target = "{mutants.MODEL}"', *options]
    for name, text in {**files, "pyproject.toml": "\n".join(project) + "\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def doctor(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT}{os.pathsep}{repository / mutants.PACKAGES}"
    environment = {**os.environ, "PYTHONPATH": path, "CI": ""}
    command = [sys.executable, "-m", "compile_doctor", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def publish(results: dict[str, dict[str, Any]], write: bool) -> None:
    """Writes a row for each base model and kind of edit, and prints the wrong answers."""
    rows = []
    for base in mutants.bases():
        for harmful in (True, False):
            found = [results.get(f"{base.name}: {edit.name}") for edit in base.edits if bool(edit.harm) == harmful]
            ran = [one for one in found if one]
            if ran:
                right = sum(not one["wrong"] for one in ran)
                codes = ", ".join(sorted({one["harm"] for one in ran if one["harm"]})) or "–"
                rows.append((base.name, "harmful" if harmful else "harmless", len(ran), right, codes))
    total = [sum(row[2] for row in rows), sum(row[3] for row in rows)]
    header = ("base model", "edits", "run", "judged right", "codes or figures named")
    tables.publish("mutations", tables.table(header, [*rows, ("all", "", *total, "")]), write)
    for name, one in sorted(results.items()):
        if one["wrong"]:
            print(f"{name}: {one['wrong']}")


def record(chosen: list[tuple[mutants.Base, mutants.Edit]], missing: bool) -> None:
    """Records with tests/record.py, which forks from a process that has imported torch: seconds instead of ten for each."""
    sys.path.insert(0, str(ROOT))
    from compile_doctor.gate.check_targets import settings_of
    from compile_doctor.gate.config_tables import GateTarget
    from tests import record as recorder

    os.chdir(ROOT)
    os.environ.pop("CI", None)
    mutants.EVIDENCE.mkdir(exist_ok=True)
    used = {base.name: base for base, _ in chosen}
    items = [(f"{base.name}", base, base.files) for base in used.values()]
    items += [(edit.slug, base, mutants.edited(base, edit)) for base, edit in chosen]
    with tempfile.TemporaryDirectory(prefix="edits-") as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "inductor")
        recorder.look_at_the_processor()
        for name, base, files in items:
            if missing and (mutants.EVIDENCE / f"{name}.zip").exists():
                continue
            repository = scratch(Path(folder) / name, base, files)
            packages = str(repository / mutants.PACKAGES)
            sys.path.insert(0, packages)
            settings = settings_of(GateTarget("model", mutants.MODEL, **base.options))
            given = {key: value for key, value in vars(settings).items() if key != "timeout"}
            recorder.record(name, repository / mutants.MODEL, given, mutants.EVIDENCE)
            sys.path.remove(packages)
            print(name, flush=True)


if __name__ == "__main__":
    main()
