"""Applies and reverts recipes, and has their state. Only this and `changes` change attributes of other packages.

One lock guards what is applied. While it is held, nothing is imported and the compiler is not reset: if another thread
takes an import lock or Dynamo's compile lock in another order, that is a deadlock.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from compile_doctor.errors import DoctorError
from compile_doctor.recipes.cache_tag import tag_caches
from compile_doctor.recipes.catalogue import all_recipes, find_recipe, installed, why_not_affected, within
from compile_doctor.recipes.changes import Change, Configure, Register, Replace
from compile_doctor.recipes.recipe import Recipe, Registration, Replacement, Setting
from compile_doctor.recipes.reset import reset_compiler

DISABLE = "COMPILE_DOCTOR_DISABLE"
"""The kill switch, which overrides everything: 1 for all recipes, or ids separated by commas."""

COMPILER = "torch._dynamo"
_INDUCTOR = "torch._inductor."
"""Its modules import each other in circles: one that is imported first may fail. torch begins with compile_fx."""


class PatchError(DoctorError):
    """A recipe was not applied; `state` is the kind of reason, as in `patches list`."""

    def __init__(self, recipe: Recipe, state: str, reason: str) -> None:
        super().__init__(f"{recipe.id} is not applied: {reason}")
        self.state = state
        self.reason = reason


@dataclass(frozen=True)
class Status:
    """One recipe in this process."""

    recipe: Recipe
    state: str
    """`applicable`, `active`, `not-affected`, `refused`, `disabled`, `failed` or `too-late`."""
    reason: str = ""

    @property
    def id(self) -> str:
        return self.recipe.id

    def __str__(self) -> str:
        return f"{self.recipe.id}: {self.state}" + (f" ({self.reason})" if self.reason else "")

    def __repr__(self) -> str:
        return f"<{self}>"  # the generated repr has the recipe's whole text


class Engine:
    """The recipes applied in this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._applied: dict[str, list[Change]] = {}
        self._not: dict[str, PatchError] = {}
        """Why the last attempt to apply a recipe failed, by id."""
        self._left: dict[str, str] = {}
        """What a revert could not restore, by id."""

    def apply(self, recipe: Recipe, load: bool = True) -> bool:
        """Applies all changes of a recipe, or none. `load` imports the modules that it changes.

        Returns True if it was applied now, False if it was applied already. Raises PatchError if a guard refuses it, or
        if the recipe itself fails.
        """
        try:
            changes = self._prepared(recipe, load)
            with self._lock:
                done = self._stands(recipe.id)
                if not done:
                    self._change(recipe, changes)
                    self._applied[recipe.id] = changes
                    tag_caches(self._applied)
                self._not.pop(recipe.id, None)
        except PatchError as error:
            with self._lock:
                self._not[recipe.id] = error
            raise
        return not done

    def revert(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """Restores what these recipes changed, or all recipes if `names` is None, and resets the compiler.

        Returns {id: what could not be restored, and why}; the key COMPILER has the reason if it was not reset.
        """
        left: dict[str, str] = {}
        with self._lock:
            wanted = list(self._applied) if names is None else [name for name in names if name in self._applied]
            above = self._above(wanted)
            for name in reversed([*self._applied]):
                if name in above:
                    _reverted(self._applied[name])
                elif name in wanted and (missed := _reverted(self._applied.pop(name))):
                    left[name] = self._left[name] = "; ".join(missed)
            for name in above:
                for change in self._applied[name]:
                    change.apply()
            if wanted:
                tag_caches(self._applied)
        kept = reset_compiler() if wanted else ""
        if kept:
            left[COMPILER] = kept
        return left

    def status(self, recipe: Recipe) -> Status:
        """The state of a recipe now: whether its changes are still in effect is checked, not remembered."""
        with self._lock:
            changes = self._applied.get(recipe.id)
            problem, left = self._not.get(recipe.id), self._left.get(recipe.id)
        if changes is not None:
            if all(change.standing() for change in changes):
                return Status(recipe, "active")
            return Status(recipe, "failed", "it was applied, but other code replaced it since")
        if left is not None:
            return Status(recipe, "failed", left)
        if problem is not None:
            return Status(recipe, problem.state, problem.reason)
        guard = refused_here(recipe)
        return Status(recipe, guard.state, guard.reason) if guard else Status(recipe, "applicable")

    def _above(self, names: list[str]) -> list[str]:
        """The recipes that stay but replaced something of a recipe that goes: they are reverted, and applied again."""
        found, places = [], set()
        for name, changes in self._applied.items():
            own = {change.place for change in changes}
            if name in names:
                places |= own
            elif own & places:
                found.append(name)
                places |= own
        return found

    def _stands(self, name: str) -> bool:
        """Whether all its changes are in effect. If a reload lost some, the rest is reverted, to be applied again."""
        changes = self._applied.get(name)
        if changes is None:
            return False
        if all(change.standing() for change in changes):
            return True
        _reverted(self._applied.pop(name))
        return False

    def _prepared(self, recipe: Recipe, load: bool) -> list[Change]:
        guard = refused_here(recipe)
        if guard is not None:
            raise guard
        if recipe.action == "warn":
            raise PatchError(recipe, "refused", "it only warns: there is nothing to apply. " + recipe.workaround)
        replaces, registers, config = changes_here(recipe)
        for module in modules_here(recipe):
            if load:
                try:
                    if module.startswith(_INDUCTOR):
                        importlib.import_module(_INDUCTOR + "compile_fx")
                    importlib.import_module(module)
                except Exception as error:  # torch's own import may fail in any way
                    raise PatchError(recipe, "refused", f"{module} cannot be imported: {error}") from error
            if module not in sys.modules:
                raise PatchError(recipe, "refused", f"{module} is not imported")
        changes: list[Change] = [Configure(one) for one in config]
        if recipe.patch is not None:
            try:
                code = load_code(recipe)
            except Exception as error:
                raise PatchError(recipe, "failed", f"patches/{recipe.patch}.py: {_brief(error)}") from error
            changes += [Replace(one, getattr(code, one.maker)) for one in replaces]
            changes += [Register(f"{one.module} ({one.maker})", getattr(code, one.maker)) for one in registers]
            capable = getattr(code, "refuses", None)
            reason = capable() if capable is not None else ""
            if reason:
                raise PatchError(recipe, "refused", reason)
        if not changes:
            raise PatchError(recipe, "refused", f"it has no change for torch {installed('torch')}")
        return changes

    def check(self, recipe: Recipe) -> None:
        """Runs every guard and changes nothing. Raises PatchError if `apply` would."""
        changes = self._prepared(recipe, load=True)
        with self._lock:
            _ask(recipe, changes)

    def _change(self, recipe: Recipe, changes: list[Change]) -> None:
        _ask(recipe, changes)
        done: list[Change] = []
        try:
            for change in changes:
                change.apply()
                done.append(change)
        except Exception as error:
            left = _reverted(done)
            text = _brief(error) + "".join(f"; {one}" for one in left) + ("" if left else "; everything was restored")
            raise PatchError(recipe, "failed", text) from error


def _ask(recipe: Recipe, changes: list[Change]) -> None:
    for change in changes:
        reason = change.refusal()
        if reason:
            raise PatchError(recipe, "refused", reason)
        late = [module for module in change.late() if module not in recipe.modules]
        if late:
            raise PatchError(recipe, "too-late", f"the original was already imported by {', '.join(late)}")


def _reverted(changes: list[Change]) -> list[str]:
    """Reverts changes, last first. Returns what could not be restored."""
    return [found for change in reversed(changes) if (found := change.revert())]


ENGINE = Engine()


def refused_here(recipe: Recipe) -> PatchError | None:
    """The refusal of a guard that needs no torch (kill switch, versions, platform); None if none refuses."""
    switches = _switches()
    if "1" in switches or recipe.id in switches:
        return PatchError(recipe, "disabled", f"{DISABLE}={os.environ[DISABLE].strip()}")
    reason = why_not_affected(recipe)
    return PatchError(recipe, "not-affected", reason) if reason else None


def _switches() -> list[str]:
    return [one.strip() for one in os.environ.get(DISABLE, "").split(",") if one.strip()]


def unknown_switches() -> list[str]:
    """Names in the kill switch that are not recipes: a typing error in an emergency has to be reported."""
    known = {recipe.id for recipe in all_recipes()}
    return [one for one in _switches() if one not in known and one not in ("0", "1")]


def changes_here(recipe: Recipe) -> tuple[list[Replacement], list[Registration], list[Setting]]:
    """The changes for the installed torch: a function may have moved between versions."""
    version = installed("torch") or ""
    return (
        [one for one in recipe.replaces if not one.versions or within(one.versions, version)],
        [one for one in recipe.registers if not one.versions or within(one.versions, version)],
        [one for one in recipe.config if not one.versions or within(one.versions, version)],
    )


def modules_here(recipe: Recipe) -> list[str]:
    """The modules that have to be imported before it can be applied to the installed torch."""
    return list(dict.fromkeys(one.module for group in changes_here(recipe) for one in group))


_loaded: dict[str, ModuleType] = {}
"""Patches that were executed completely. `sys.modules` may have one that another thread still executes: then each
thread executes its own, because waiting could be a deadlock."""


def load_code(recipe: Recipe) -> ModuleType:
    """The module of the patch, with its own name in `sys.modules`, so that tracebacks and pickles find it."""
    path = recipe.code
    assert recipe.patch is not None and path is not None
    name = f"compile_doctor.patches.{recipe.patch}"
    loaded = _loaded.get(name)
    if loaded is not None and loaded is sys.modules.get(name) and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    _loaded[name] = module
    return module


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().split(chr(10), 1)[0]}"


# The public interface; see compile_doctor.


def apply(*names: str) -> None:
    """Applies recipes by name, also opt-in ones. Raises PatchError if a guard refuses, UsageError for unknown names."""
    changed = [ENGINE.apply(find_recipe(name)) for name in names]
    if any(changed):
        reset_compiler()  # what was compiled before still has the defect


def revert(*names: str) -> dict[str, str]:
    """Reverts these recipes, by default all, and resets the compiler. Returns {id: what could not be restored}."""
    return ENGINE.revert(names or None)


@contextmanager
def applied(*names: str) -> Iterator[None]:
    """Applies recipes in a `with` block. Those that were applied before stay applied."""
    new = [name for name in names if ENGINE.status(find_recipe(name)).state != "active"]
    try:
        apply(*names)
        yield
    finally:
        revert(*new) if new else None


def status() -> list[Status]:
    """The state of every recipe in this process, sorted by id."""
    return [ENGINE.status(recipe) for recipe in all_recipes()]
