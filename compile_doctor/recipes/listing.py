"""`patches list` and `patches status`: every recipe with its state here, as JSON and as text."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import compile_doctor
from compile_doctor.errors import DoctorError
from compile_doctor.processes.children import ask
from compile_doctor.recipes.catalogue import all_recipes, installed
from compile_doctor.recipes.engine import refused_here
from compile_doctor.recipes.recipe import Recipe
from compile_doctor.recipes.verified import verified_on

SCHEMA = "compile-doctor/patches/1"


def listed() -> dict[str, Any]:
    """The document of `patches list`, from the guards that need no torch: nothing is imported."""
    states = {}
    for recipe in all_recipes():
        guard = refused_here(recipe)
        states[recipe.id] = (guard.state, guard.reason) if guard else ("applicable", "")
    return document(installed("torch"), all_recipes(), states)


def status_of_a_process(choice: str | None) -> dict[str, Any]:
    """The same document from a new process, which imports torch and applies the chosen recipes: all guards run.

    Raises DoctorError if that process fails, for example because torch cannot be imported.
    """
    environment = dict(os.environ)
    root = str(Path(compile_doctor.__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [environment.get("PYTHONPATH", ""), root]))
    if choice:
        environment["COMPILE_DOCTOR_PATCHES"] = choice
    command = [sys.executable, "-m", "compile_doctor.recipes.inspect_process"]
    done = ask(command, environment)
    try:
        found = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    except ValueError:
        last = (done.stderr.strip() or f"exit code {done.returncode}, no output").rsplit("\n", 1)[-1]
        raise DoctorError(
            f"The process that reads the state of the recipes failed: {last}",
            hint="Try `python -c 'import torch._inductor.compile_fx'`: it imports what the process imports.",
        ) from None
    states = {one["id"]: (one["state"], one["reason"]) for one in found["recipes"]}
    return document(found["torch"], all_recipes(), states)


def document(torch: str | None, recipes: Iterable[Recipe], states: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Schema compile-doctor/patches/1."""
    entries = []
    for recipe in recipes:
        state, reason = states[recipe.id]
        entries.append(
            {
                "id": recipe.id,
                "title": recipe.title,
                "action": recipe.action,
                "affects": recipe.affects,
                "fixed_in": recipe.fixed_in or None,
                "default": recipe.default,
                "silent_wrong_result": recipe.silent_wrong_result,
                "state": state,
                "reason": reason or None,
                "upstream": list(recipe.upstream),
                "verified_on": list(verified_on(recipe.id)),
            }
        )
    return {"schema": SCHEMA, "torch": torch, "recipes": entries}


def as_text(found: Mapping[str, Any], everything: bool) -> str:
    """One line for each recipe that affects this torch; the others are counted, or follow if `everything`."""
    here = [one for one in found["recipes"] if one["state"] != "not-affected"]
    rest = [one for one in found["recipes"] if one["state"] == "not-affected"]
    lines = [
        f"torch {found['torch'] or 'is not installed'}: {len(here)} of {len(found['recipes'])} recipes are for this environment",
        "",
    ]
    shown = here + (rest if everything else [])
    width = max((len(one["id"]) for one in shown), default=0)
    for one in shown:
        lines.append(f"{one['id']:<{width}}  {_state(one):<22}  {one['title']}")
        if one["reason"] and (one["state"] not in ("not-affected",) or everything):
            lines.append(f"{'':<{width}}  {one['reason']}")
    if rest and not everything:
        lines += ["", f"{len(rest)} more for other versions or machines (--all shows them)"]
    lines += ["", "Details: compile-doctor patches show ID     Verify them here: compile-doctor patches verify"]
    return "\n".join(lines) + "\n"


def _state(one: Mapping[str, Any]) -> str:
    if one["state"] == "applicable" and one["action"] == "warn":
        return "warning only"
    if one["state"] == "applicable":
        return "applicable, default" if one["default"] else "applicable, by name"
    return str(one["state"])
