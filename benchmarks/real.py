"""Break counts on small transformers models with random weights: compile-doctor, explain, tlparse and TORCH_LOGS."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import doctor
import others
import tables

MODELS = Path(__file__).resolve().parent / "models"
TRUTH = MODELS / "truth.json"
HEADER = [
    "model",
    "true sites",
    "explain",
    "tlparse rows",
    "tlparse breaks",
    "TORCH_LOGS",
    "compile-doctor",
    "sites found",
    "other sites",
]
BREAKS = frozenset({"CD101", "CD102", "CD103"})
SITES = BREAKS | {"CD104"}  # a frame that is skipped for another cause is a true site too, as in Switch Transformers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names of files in benchmarks/models; all by default")
    parser.add_argument(
        "--only", choices=["others", "doctor"], help="measure only these; keep the last figures of the other side"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=400)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    names = options.models or sorted(path.stem for path in MODELS.glob("*.py"))
    results: dict[str, Any] = tables.load("real")
    with ThreadPoolExecutor(options.jobs) as pool:
        for name, measured in zip(
            names, pool.map(lambda name: measure(name, options.only, options.timeout), names), strict=True
        ):
            results[name] = {**results.get(name, {}), **measured}
            tables.save("real", results)  # after each model, so that an interrupted run is not lost
            print(row(name, results[name]), file=sys.stderr, flush=True)
    shown = sorted(name for name in results if (MODELS / f"{name}.py").exists())
    tables.publish("real", tables.table(HEADER, [row(name, results[name]) for name in shown]), options.write)


def measure(name: str, only: str | None, timeout: float) -> dict[str, Any]:
    """Measures one model, each tool in its own processes; a failure is a result too."""
    target = MODELS / f"{name}.py"
    measured: dict[str, Any] = {}
    if only != "doctor":
        measured |= others.measure(target, timeout=timeout)
    if only != "others":
        document = doctor.diagnose(target, ["--backend", "eager", "--fail-on", "never"], timeout)
        kept = {
            key: document[key] for key in ("error", "exit", "wall_seconds", "verdict", "summary") if key in document
        }
        measured["doctor"] = kept | {"findings": doctor.findings(document)}
    return measured


def row(name: str, result: dict[str, Any]) -> list[object]:
    """The rows. `true sites` was found by reading the source of the model: benchmarks/models/truth.json."""
    truth = tables.load_file(TRUTH).get(name)
    ours = result.get("doctor", {})
    counted = ours.get("summary", {}).get("graph_breaks", "error" if ours.get("error") else None)
    return [
        name,
        None if truth is None else len(truth),
        value(result, "explain", "breaks"),
        value(result, "tlparse", "rows"),
        value(result, "tlparse", "artifacts"),
        value(result, "torch_logs", "records"),
        counted,
        *(
            placed(truth, reported(ours, SITES), reported(ours, BREAKS))
            if truth is not None and "summary" in ours
            else [None, None]
        ),
    ]


def value(result: dict[str, Any], tool: str, key: str) -> object:
    answer = result.get(tool, {})
    return "error" if "error" in answer else answer.get(key)


def placed(truth: list[dict[str, Any]], named: set[str], breaks: set[str]) -> list[object]:
    """True sites that were named (the line of a helper or of its caller), then breaks that are not true sites."""
    places = [{site["at"], *site.get("or", [])} for site in truth]
    return [f"{sum(bool(place & named) for place in places)}/{len(places)}", len(breaks - set().union(*places))]


def reported(ours: dict[str, Any], codes: frozenset[str]) -> set[str]:
    """The places of findings with these codes, in the form of truth.json: the file with its folder, and the line."""
    chosen = [finding for finding in ours["findings"] if finding["code"] in codes and finding["file"]]
    return {f"{'/'.join(Path(finding['file']).parts[-2:])}:{finding['line']}" for finding in chosen}


if __name__ == "__main__":
    main()
