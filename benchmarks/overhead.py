"""The time of `diagnose`, compared with a plain script for the same compiled runs, and the start-up time of compile-doctor."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import doctor
import tables
from others import CHILD, result_of
from processes import ROOT, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "target", nargs="?", default="tests/programs/clean_vit_patch_embed.py", help="a file, or example:NAME"
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--repeat", type=int, default=2, help="calls of the plain script with each input: as many as diagnose makes"
    )
    parser.add_argument("--backend", default="inductor")
    parser.add_argument("--starts", type=int, default=40)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    results = {
        "target": options.target,
        "diagnose": paired(options),
        "start": starts(options.starts),
        "guards": guard_timing(),
    }
    tables.save("overhead", results)
    tables.publish("overhead", tables.table(["measure", "value"], rows(results)), options.write)


def paired(options: argparse.Namespace) -> dict[str, Any]:
    """Times pairs in alternating order, each with a cold cache. The first pair only warms the disk cache, and is ignored."""
    file = path_of(options.target)
    pairs: list[dict[str, Any]] = []
    for number in range(options.pairs + 1):
        pair: dict[str, Any] = {}
        for side in ["plain", "doctor"] if number % 2 else ["doctor", "plain"]:
            with tempfile.TemporaryDirectory(prefix="doctor-cache-") as cache:
                env = {"TORCHINDUCTOR_CACHE_DIR": cache}
                if side == "plain":
                    command = [
                        sys.executable,
                        CHILD,
                        "compile",
                        file,
                        "--backend",
                        options.backend,
                        "--repeat",
                        str(options.repeat),
                    ]
                    finished = run(command, env, options.timeout)
                    inner = result_of(finished)
                    if "error" in inner:
                        return {"error": f"plain script: {inner['error']}"}
                    pair |= {"plain": finished.seconds, "plain_inner": inner["seconds"]}
                else:
                    document = doctor.diagnose(
                        options.target, ["--backend", options.backend, "--fail-on", "never"], options.timeout, env
                    )
                    if "error" in document:
                        return {"error": f"diagnose: {document['error']}"}
                    timings = document.get("timings", {})
                    pair |= {"doctor": document["wall_seconds"]}
                    pair |= {part: timings.get(f"{part}_seconds") for part in ("eager", "compiled")}
        print(pair, file=sys.stderr, flush=True)
        pairs.append(pair)
    return {"pairs": pairs[1:], **ratios(pairs[1:])}


def ratios(pairs: list[dict[str, Any]]) -> dict[str, float | None]:
    """Medians of the ratio within each pair, with and without the eager control run, which the script does not have."""
    eager = [pair["eager"] for pair in pairs if pair["eager"] is not None]
    compiled = [pair["compiled"] / pair["plain_inner"] for pair in pairs if pair["compiled"] is not None]
    return {
        "whole": median(pair["doctor"] / pair["plain"] for pair in pairs),
        "without_eager": median((pair["doctor"] - (pair["eager"] or 0)) / pair["plain"] for pair in pairs),
        "compiled_part": median(compiled) if compiled else None,
        "eager_seconds": median(eager) if eager else None,
        "plain_seconds": median(pair["plain"] for pair in pairs),
        "doctor_seconds": median(pair["doctor"] for pair in pairs),
    }


def path_of(target: str) -> Path:
    """An example's file, so that the plain script can run it too."""
    if not target.startswith("example:"):
        return Path(target).resolve()
    name = target.removeprefix("example:")
    folder = ROOT / "compile_doctor" / "examples"
    for candidate in (folder / f"{name}.py", folder / f"{name.replace('-', '_')}.py"):
        if candidate.exists():
            return candidate
    raise SystemExit(f"There is no example {name} in {folder}.")


def starts(count: int) -> dict[str, Any]:
    """Times our --help and the interpreter with only click, in turns."""
    commands = {"help": [*doctor.BASE, "--help"], "click": [sys.executable, "-c", "import click"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(count + 1):
        for name in sorted(commands, reverse=bool(number % 2)):
            finished = run(commands[name])
            if finished.code:
                return {"error": f"{name}: {finished.last_error()}"}
            if number:  # the first round reads the disk
                seconds[name].append(finished.seconds)
    return {f"{name}_ms": round(1000 * median(values), 1) for name, values in seconds.items()}


def guard_timing() -> dict[str, float]:
    """Milliseconds that the probe takes to time the guards of a compilation, by model."""
    finished = run([sys.executable, Path(__file__).with_name("guards.py"), "--overhead"])
    found: dict[str, float] = json.loads(finished.stdout) if not finished.code else {"error": 0.0}
    return found


def rows(results: dict[str, Any]) -> list[list[object]]:
    cost, start = results["diagnose"], results["start"]
    if "error" in cost:
        shown: list[list[object]] = [["diagnose", cost["error"]]]
    else:
        shown = [
            ["diagnose / plain script, wall, median of ratios", cost["whole"]],
            ["the same without the eager control run", cost["without_eager"]],
            ["compiled runs alone", cost["compiled_part"]],
            ["plain script, seconds", cost["plain_seconds"]],
            ["diagnose, seconds", cost["doctor_seconds"]],
            ["of which eager control run, seconds", cost["eager_seconds"]],
        ]
    if "error" in start:
        return [*shown, ["start-up", start["error"]]]
    shown += [[f"timing the guards of {name}, ms", cost] for name, cost in results["guards"].items()]
    return [
        *shown,
        ["compile-doctor --help, ms", start["help_ms"]],
        ["python -c 'import click', ms", start["click_ms"]],
    ]


if __name__ == "__main__":
    main()
