"""One attention block at 16,384 tokens, fused and dense: what compile-doctor, explain, tlparse and torch's warning report.

Also the cost of watching: a compiled step with the probe installed, compared with the same step without it, in turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import doctor
import tables
from others import CHILD, explain_counts, result_of, tlparse_counts
from processes import ROOT, run

EXAMPLE = ROOT / "compile_doctor" / "examples" / "sliding_window.py"
VARIANTS = {
    "fused": ("build_model", "example:sliding-window"),
    "dense": ("disabled", "example:sliding-window:disabled"),
}
LIMIT = 8 << 30
"""Memory limit in bytes for the processes of the other tools: slightly more than their dense run needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=16384)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    results: dict[str, Any] = {"tokens": options.tokens, "step": step_cost(options.steps)}
    print(f"step: {results['step']}", flush=True)
    for name, (factory, target) in VARIANTS.items():
        results[name] = {"doctor": ours(target, options), "others": others(factory, options)}
        print(f"{name}: {results[name]}", flush=True)
    tables.save("attention", results)
    tables.publish("attention", tables.table(["tool", "fused model", "dense model"], rows(results)), options.write)
    tables.publish("step", tables.table(["measure", "value"], step_rows(results["step"])), options.write)


def ours(target: str, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="doctor-cache-") as cache:
        arguments = ["--tokens", str(options.tokens), "--require-fused"]
        found = doctor.diagnose(target, arguments, options.timeout, {"TORCHINDUCTOR_CACHE_DIR": cache})
    if "error" in found:
        return found
    entry = found["attention"][0]
    kept = ("verdict", "evidence", "peak_bytes", "dense_bytes", "tokens", "ladder", "kernel")
    return {
        **{name: entry[name] for name in kept},
        "findings": [f"{one['code']}:{one['location']['line']}" for one in found["findings"] if one["location"]],
        "exit": found["exit"],
        "seconds": found["wall_seconds"],
        "peak_mb": found["peak_mb"],
    }


def others(factory: str, options: argparse.Namespace) -> dict[str, Any]:
    common = [EXAMPLE, "--backend", "inductor", "--tokens", str(options.tokens), "--factory", factory]
    common += ["--memory-limit", str(LIMIT)]
    with tempfile.TemporaryDirectory(prefix="doctor-others-") as temporary:
        folder = Path(temporary)
        env = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
        explained = run([sys.executable, CHILD, "explain", *common], env, options.timeout)
        traced = run(
            [sys.executable, CHILD, "compile", *common], {**env, "TORCH_TRACE": str(folder / "trace")}, options.timeout
        )
        warnings = [
            line.split("Warning: ", 1)[1] for line in traced.stderr.splitlines() if "flex_attention called" in line
        ]
        return {
            "explain": explain_counts(explained),
            "tlparse": tlparse_counts(folder / "trace", folder),
            "warning": warnings,
            "run": result_of(traced),
            "seconds": round(traced.seconds, 1),
            "peak_mb": round(traced.peak_mb, 1),
        }


def step_cost(steps: int) -> dict[str, Any]:
    """Times the same block, compiled twice in one process, the second time with the probe installed; steps alternate."""
    import torch

    from compile_doctor.probe.observe.attention import Observer
    from compile_doctor.probe.observe.events import EventLog

    # Two modules with the same source: instances of one class would share the compiled code.
    example, again = (load("example_" + name) for name in ("plain", "watched"))
    inputs = example.example_inputs(tokens=256)
    plain = torch.compile(example.build_model())
    with torch.no_grad(), tempfile.TemporaryDirectory(prefix="doctor-step-") as folder:
        plain(*inputs)
        observer = Observer(EventLog(Path(folder)))
        observer.install()
        watched = torch.compile(again.build_model())
        watched(*inputs)
        assert observer.seen, "the probe did not see the graph"
        plain(*inputs)
        times: dict[str, list[float]] = {"plain": [], "watched": []}
        ratios = []
        for number in range(steps):
            pair: dict[str, float] = {}
            order = [("plain", plain), ("watched", watched)]
            for name, model in order if number % 2 else order[::-1]:
                started = time.perf_counter()
                model(*inputs)
                pair[name] = time.perf_counter() - started
                times[name].append(pair[name])
            ratios.append(pair["watched"] / pair["plain"])
    return {
        "steps": steps,
        "plain_us": round(median(times["plain"]) * 1e6, 1),
        "watched_us": round(median(times["watched"]) * 1e6, 1),
        "ratio_of_medians": round(median(times["watched"]) / median(times["plain"]), 4),
        "median_of_ratios": round(median(ratios), 4),
    }


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def rows(results: dict[str, Any]) -> list[list[object]]:
    found: list[list[object]] = []
    by = {name: results[name] for name in VARIANTS}
    found.append(["compile-doctor: verdict", *(one["doctor"].get("verdict", "error") for one in by.values())])
    found.append(["findings", *(", ".join(one["doctor"].get("findings", [])) or "none" for one in by.values())])
    found.append(["evidence", *(evidence(one["doctor"]) for one in by.values())])
    found.append(["peak of the call", *(peak(one["doctor"]) for one in by.values())])
    found.append(["exit, seconds, process' peak", *(cost(one["doctor"]) for one in by.values())])
    found.append(["explain: graph breaks", *(count(one["others"]["explain"], "breaks") for one in by.values())])
    found.append(["tlparse: failure rows", *(count(one["others"]["tlparse"], "rows") for one in by.values())])
    found.append(
        [
            "torch's warning",
            *("one, no line of the model" if one["others"]["warning"] else "none" for one in by.values()),
        ]
    )
    found.append(["the plain run itself", *(one["others"]["run"].get("error", "works") for one in by.values())])
    return found


def evidence(entry: dict[str, Any]) -> str:
    words = {True: "yes", False: "no", None: "not known"}
    return ", ".join(f"{name} {words[state]}" for name, state in entry.get("evidence", {}).items())


def peak(entry: dict[str, Any]) -> str:
    if not entry.get("ladder"):
        return entry.get("error", "–")
    last = entry["ladder"][-1]
    measured = next(step for step in reversed(entry["ladder"]) if step["ran"])
    scores = entry["dense_bytes"]
    share = f"; score matrix {scores / 1e6:,.0f} MB"
    predicted = "" if last["ran"] else f"; {last['tokens']:,} not run, would need {last['dense_bytes'] / 1e6:,.0f} MB"
    return f"{measured['peak_bytes'] / 1e6:,.1f} MB at {measured['tokens']:,}{share}{predicted}"


def cost(entry: dict[str, Any]) -> str:
    return f"{entry.get('exit')}, {entry.get('seconds')} s, {entry.get('peak_mb')} MB"


def count(counts: dict[str, Any], name: str) -> object:
    return counts.get("error") or counts.get(name, counts)


def step_rows(step: dict[str, Any]) -> list[list[object]]:
    return [
        ["compiled step, probe not installed, median of " + str(step["steps"]), f"{step['plain_us']} µs"],
        ["the same with the probe installed", f"{step['watched_us']} µs"],
        ["ratio of the medians", step["ratio_of_medians"]],
        ["median of the paired ratios", step["median_of_ratios"]],
    ]


if __name__ == "__main__":
    main()
