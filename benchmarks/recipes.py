"""The cost of recipes (import time, a compiled step), and whether torch stays intact if threads apply and revert them."""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from statistics import median
from typing import Any

import tables
from processes import ROOT, environment

PLAIN = "import torch"
AUTO = "import compile_doctor.auto, torch"
STEP = """
import sys, time, statistics, json
if sys.argv[1] == "auto":
    import compile_doctor.auto
import torch
torch.manual_seed(0)
model = torch.compile(torch.nn.Sequential(*(torch.nn.Linear(64, 64) for _ in range(8)), torch.nn.Softmax(-1)))
x = torch.randn(16, 64)
with torch.no_grad():
    for _ in range(50):
        model(x)
    times = []
    for _ in range(int(sys.argv[2])):
        started = time.perf_counter()
        model(x)
        times.append(time.perf_counter() - started)
print(statistics.median(times) * 1e6)
"""
CHILD = """
import compile_doctor.auto, torch
torch.compile(lambda x: torch._safe_softmax(x, -1), fullgraph=True, backend="eager")(torch.randn(2, 3))
import compile_doctor
left = compile_doctor.revert()
assert not left, left
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "import": paired(lambda: timed(PLAIN), lambda: timed(AUTO), options.pairs),
        "step": paired(lambda: step("none", options.steps), lambda: step("auto", options.steps), 5),
    }
    results["threads"] = threads(options.times)
    results["processes"] = processes(options.processes)
    tables.save("recipes", results)
    tables.publish("recipes", tables.table(["measure", "value"], rows(results)), options.write)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=True)


def timed(code: str) -> float:
    started = time.perf_counter()
    python(code)
    return time.perf_counter() - started


def step(kind: str, steps: int) -> float:
    return float(python(STEP, kind, str(steps)).stdout)


def paired(plain: Any, other: Any, pairs: int) -> dict[str, Any]:
    """Runs both in turns, so that other load on the machine affects both."""
    found = []
    for number in range(pairs):
        one = (plain(), other()) if number % 2 else (other(), plain())[::-1]
        found.append(one)
        print(f"{one[1] / one[0]:.4f}", end=" ", flush=True)
    print()
    return {
        "pairs": pairs,
        "plain": round(median(one for one, _ in found), 4),
        "with": round(median(other for _, other in found), 4),
        "ratio_of_medians": round(median(other for _, other in found) / median(one for one, _ in found), 4),
        "median_of_ratios": round(median(other / one for one, other in found), 4),
    }


def threads(times: int) -> dict[str, Any]:
    """Eight threads apply and revert while a ninth compiles. Afterwards, torch has to be unchanged."""
    import torch
    import torch._inductor.compile_fx
    import torch.nn.attention.flex_attention

    import compile_doctor
    from compile_doctor.recipes.catalogue import all_recipes
    from compile_doctor.recipes.engine import COMPILER, ENGINE, PatchError, changes_here

    usable, places = [], {}
    for recipe in all_recipes():
        try:
            ENGINE.check(recipe)
        except PatchError:
            continue
        usable.append(recipe)
        for one in changes_here(recipe)[0]:
            module, _, path = one.attribute.partition(":")
            *parents, name = path.split(".")
            holder: Any = sys.modules[module]
            for parent in parents:
                holder = getattr(holder, parent)
            places[one.attribute] = (holder, name, vars(holder)[name])
    trouble: list[str] = []
    kept: list[str] = []
    done = threading.Event()
    compiled = 0

    def work(number: int) -> None:
        for count in range(times // 8):
            recipe = usable[(number + count) % len(usable)]
            try:
                ENGINE.apply(recipe)
                left = compile_doctor.revert(recipe.id)
                kept.append(left.pop(COMPILER, ""))
                trouble.extend(left.values())
            except Exception as error:
                trouble.append(f"{recipe.id}: {type(error).__name__}: {error}")

    def compiling() -> None:
        nonlocal compiled
        while not done.is_set():
            try:
                torch.compile(lambda x: x.softmax(-1) + 1, backend="eager")(torch.randn(3, 4))
                compiled += 1
            except Exception as error:
                trouble.append(f"while compiling: {type(error).__name__}: {error}")

    other = threading.Thread(target=compiling)
    other.start()
    started = time.perf_counter()
    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done.set()
    other.join()
    compile_doctor.revert()
    changed = [name for name, (holder, attribute, value) in places.items() if vars(holder)[attribute] is not value]
    return {
        "recipes": len(usable),
        "times": times,
        "compiled": compiled,
        "not_reset": sum(map(bool, kept)),
        "seconds": round(time.perf_counter() - started, 1),
        "trouble": sorted(set(trouble))[:5],
        "not_put_back": changed,
    }


def processes(number: int) -> dict[str, Any]:
    """Starts this number of processes, two in parallel."""
    waiting, running, failed = number, [], []
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    while waiting or running:
        while waiting and len(running) < 2:
            running.append(subprocess.Popen([sys.executable, "-c", CHILD], env=env, stderr=subprocess.PIPE, text=True))
            waiting -= 1
        child = running.pop(0)
        _, errors = child.communicate()
        if child.returncode:
            failed.append(errors.strip().rsplit("\n", 1)[-1][:200])
    return {"processes": number, "failed": failed[:5], "failures": len(failed)}


def rows(results: dict[str, Any]) -> list[list[object]]:
    imports, steps, stress = results["import"], results["step"], results["threads"]
    return [
        [f"`import torch`, median of {imports['pairs']}", f"{imports['plain']:.3f} s"],
        ["`import compile_doctor.auto, torch`", f"{imports['with']:.3f} s"],
        ["ratio of the medians; median of the paired ratios", ratios(imports)],
        ["compiled step without recipes", f"{steps['plain']:.1f} µs"],
        ["the same with `compile_doctor.auto`", f"{steps['with']:.1f} µs"],
        ["ratio of the medians; median of the paired ratios", ratios(steps)],
        [
            f"{stress['times']} times applied and reverted by 8 threads, {stress['recipes']} recipes, one thread compiling",
            f"{stress['compiled']} compilations; compiler not reset because it was in use, and reported: {stress['not_reset']}; {len(stress['trouble'])} errors, {len(stress['not_put_back'])} attributes not restored",
        ],
        [
            f"{results['processes']['processes']} processes with `compile_doctor.auto`",
            f"{results['processes']['failures']} failed",
        ],
    ]


def ratios(found: dict[str, Any]) -> str:
    return f"{found['ratio_of_medians']:.3f}; {found['median_of_ratios']:.3f}"


if __name__ == "__main__":
    main()
