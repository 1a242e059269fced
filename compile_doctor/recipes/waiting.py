"""Applies the chosen recipes when torch's modules are imported; imports nothing before.

The recipes, and PyYAML, are not read before either: a program that never compiles pays for an entry in `sys.meta_path`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from compile_doctor.errors import DoctorError
from compile_doctor.model.evidence import Patch
from compile_doctor.recipes.imports import ImportWatcher

if TYPE_CHECKING:
    from compile_doctor.recipes.recipe import Recipe

CHOICE = "COMPILE_DOCTOR_PATCHES"
CHANGED = ("torch._dynamo", "torch._inductor", "torch.nn.attention.flex_attention")
"""The modules that the shipped recipes change; `import torch` alone does not load them."""
LOG = logging.getLogger("compile_doctor")

_lock = threading.Lock()
_watcher: ImportWatcher | None = None
_chosen: list[Recipe] = []
_failures: dict[str, str] = {}


def start(choice: str | None = None) -> None:
    """Begins to wait, once per process.

    `choice` is `none`, or `auto` and ids, separated by commas. By default it is COMPILE_DOCTOR_PATCHES, else `auto`.
    """
    global _watcher
    wanted = (choice or os.environ.get(CHOICE) or "auto").strip().lower()
    if wanted == "none" or os.environ.get("COMPILE_DOCTOR_DISABLE", "").strip() == "1":
        return
    with _lock:
        if _watcher is not None:
            return
        _watcher = ImportWatcher(_failed)
    _watcher.install()
    own = bool(os.environ.get("COMPILE_DOCTOR_RECIPES"))  # they may change any module
    if own or any(name.startswith(CHANGED) for name in list(sys.modules)):
        _watcher.call(lambda _: _choose(wanted), "the choice")
    else:
        _watcher.before_first(CHANGED, lambda: _choose(wanted))


def is_waiting() -> bool:
    """Whether recipes were chosen in this process."""
    return _watcher is not None


def outcomes() -> list[Patch]:
    """The state of each chosen recipe."""
    from compile_doctor.recipes.engine import ENGINE

    with _lock:
        found = [ENGINE.status(recipe) for recipe in _chosen]
        failed = [Patch(name, "failed", reason) for name, reason in _failures.items()]
    return [Patch(one.recipe.id, one.state, one.reason) for one in found] + failed


def _failed(name: str, error: Exception) -> None:
    text = f"{error} {error.hint}".strip() if isinstance(error, DoctorError) else f"{type(error).__name__}: {error}"
    with _lock:
        _failures[name] = text
    if _chosen:
        LOG.warning("compile-doctor: the recipes that change %s are not applied: %s", name, text)
    else:  # a mistake in the choice, or in a recipe's file: nothing was chosen
        LOG.warning("compile-doctor: no recipe is applied: %s", text)


def _choose(choice: str) -> None:
    """Reads the recipes and waits for each one's modules."""
    from compile_doctor.recipes.catalogue import all_recipes, find_recipe
    from compile_doctor.recipes.engine import DISABLE, refused_here, unknown_switches

    names = [name.strip() for name in choice.split(",") if name.strip()]
    named = [find_recipe(name) for name in names if name != "auto"]
    default = [one for one in all_recipes() if one.default and one not in named] if "auto" in names else []
    for unknown in unknown_switches():
        LOG.warning("compile-doctor: %s names %r, which is not a recipe, so it disables nothing", DISABLE, unknown)
    for recipe in (*named, *default):
        problem = refused_here(recipe)
        if problem is not None and recipe in default:
            continue  # it does not affect this environment: nothing to report
        _chosen.append(recipe)
        if problem is not None:
            _warn(problem)
        else:
            _wait(recipe)


def _wait(recipe: Recipe) -> None:
    from compile_doctor.recipes.engine import ENGINE, PatchError, modules_here

    def imported(name: str) -> None:
        if not all(module == name or _is_imported(module) for module in modules):
            return
        try:
            if ENGINE.apply(recipe, load=False):
                LOG.info("compile-doctor: recipe %s is active: %s", recipe.id, recipe.title)
        except PatchError as error:
            _warn(error)

    modules = modules_here(recipe)
    assert _watcher is not None
    for module in modules:
        _watcher.after(module, imported)


def _is_imported(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False)


_warned: set[str] = set()


def _warn(problem: Exception) -> None:
    """Logs each problem once, however many imports report it."""
    text = str(problem)
    with _lock:
        if text in _warned:
            return
        _warned.add(text)
    LOG.warning("compile-doctor: %s", text)
