"""Verifies recipes here: the program of each has to fail without it, pass with it, and fail once it is reverted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import compile_doctor
from compile_doctor.processes.children import ask
from compile_doctor.processes.scratch import scratch
from compile_doctor.recipes.catalogue import installed, why_not_affected
from compile_doctor.recipes.recipe import Recipe

TIMEOUT = 600.0


@dataclass(frozen=True)
class Proof:
    """The results of one recipe's program; `with_` and `reverted` are empty if this torch is not affected."""

    id: str
    torch: str
    without: str
    with_: str
    reverted: str
    affected: bool
    reason: str = ""
    patched: bool = True
    """False for a recipe that only warns: its program has to fail, and nothing else can be verified."""

    @property
    def ok(self) -> bool:
        """Whether it fails without, passes with, and fails again; outside the range, whether it passes without."""
        if not self.affected:
            return self.without == "passes"
        if not self.patched:
            return self.without == "fails"
        return (self.without, self.with_, self.reverted) == ("fails", "passes", "fails")

    def as_json(self) -> dict[str, object]:
        """The form of `patches verify --format json`."""
        return {
            "id": self.id,
            "torch": self.torch,
            "without": self.without,
            "with": self.with_ or None,
            "reverted": self.reverted or None,
            "affected": self.affected,
            "ok": self.ok,
            "reason": self.reason or None,
        }


def verify(recipes: Sequence[Recipe], jobs: int = 1) -> Iterator[Proof]:
    """The proofs of the recipes that have a program, in the order of `recipes`, each as soon as it is done."""
    provable = [recipe for recipe in recipes if recipe.verify]
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        yield from pool.map(prove, provable)


def prove(recipe: Recipe) -> Proof:
    """Verifies one recipe, in two new processes; one if the recipe does not affect this torch: then it should pass."""
    torch = installed("torch") or "none"
    affected = not why_not_affected(recipe)
    without = _run(recipe, "without")
    patched = recipe.action != "warn"
    with_ = _run(recipe, "with") if affected and patched else {}
    reason = without.get("error") or with_.get("error") or ""
    if not reason and with_.get("with") == "fails":
        reason = with_.get("reason", "")
    return Proof(
        recipe.id,
        torch,
        without.get("without", "error"),
        with_.get("with", "error" if affected and patched else ""),
        with_.get("reverted", "error" if affected and patched else ""),
        affected,
        reason,
        patched,
    )


def _run(recipe: Recipe, mode: str) -> dict[str, str]:
    root = str(Path(compile_doctor.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), root]))
    dropped = ("COMPILE_DOCTOR_PATCHES", "COMPILE_DOCTOR_DISABLE", "TORCH_TRACE", "TORCH_LOGS")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    with scratch("verify") as folder:
        environment |= {
            "PYTHONPATH": path,
            # Kernels may come from the cache, because their source is their key. Graphs may not.
            "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
            "TORCHINDUCTOR_AUTOGRAD_CACHE": "0",
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
        }
        command = [sys.executable, "-m", "compile_doctor.recipes.proof", recipe.id, mode]
        try:
            done = ask(command, environment, TIMEOUT, folder)
        except subprocess.TimeoutExpired:
            return {"error": f"timed out after {TIMEOUT:.0f} s"}
    line = done.stdout.strip().rsplit("\n", 1)[-1]
    try:
        found: dict[str, str] = json.loads(line)
    except ValueError:
        text = (done.stderr or done.stdout).strip()[-2000:]
        # If the recipe expects the process to die, this is the expected failure.
        died = f"died with exit code {done.returncode}: {text}"
        if done.returncode < 0 and recipe.verify_fails and recipe.verify_fails.search(died):
            return {mode: "fails", "reason": died}
        return {"error": died}
    return found
