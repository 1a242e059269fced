"""The three ways in which a recipe changes torch. Each can be refused, checked, and reverted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FunctionType, ModuleType
from typing import Any, Protocol

from compile_doctor.recipes.fingerprint import fingerprint
from compile_doctor.recipes.recipe import Replacement, Setting


class Change(Protocol):
    """One change. The engine calls refusal, late and apply in this order, and applies all of a recipe or none."""

    def refusal(self) -> str:
        """Why it may not be applied; empty if it may."""

    @property
    def place(self) -> str:
        """What is changed. If two recipes change one place, the later one replaces the result of the earlier one."""

    def late(self) -> list[str]:
        """Modules that imported the original already, so that the change would not reach them."""

    def apply(self) -> None:
        """Makes the change. If it raises, nothing was changed."""

    def standing(self) -> bool:
        """Whether the change is still in effect."""

    def revert(self) -> str:
        """Restores the original if the change is still in effect. Returns what could not be restored, else empty."""


class Replace:
    """An attribute of a module or class."""

    def __init__(self, what: Replacement, make: Callable[[Any], Any]) -> None:
        self.what = what
        self.make = make
        self.place = what.attribute
        self.original: Any = None
        self.ours: Any = None

    def _holder(self) -> tuple[Any, str]:
        """The object with the attribute, and the name. Raises AttributeError or KeyError if part of the path is missing."""
        module, _, path = self.what.attribute.partition(":")
        *parents, name = path.split(".")
        holder: Any = sys.modules[module]
        for parent in parents:
            holder = getattr(holder, parent)
        return holder, name

    def refusal(self) -> str:
        try:
            holder, name = self._holder()
            value = vars(holder)[name]
        except (AttributeError, KeyError) as error:
            return f"{self.what.attribute} is missing: {error.args[0] if error.args else error}"
        found = fingerprint(_below_ours(value)[-1])
        if found not in self.what.known:
            return (
                f"the source of {self.what.attribute} is not one that the patch was written for "
                f"(fingerprint {found or 'unknown, there is no source'})"
            )
        return ""

    def late(self) -> list[str]:
        holder, name = self._holder()
        if not isinstance(holder, ModuleType):
            return []
        value = vars(holder)[name]
        home = getattr(value, "__module__", None)
        found = set()
        for module in list(sys.modules.values()):
            # The module that defines a function keeps it: the recipe chose to replace another module's name for it.
            if module is holder or not isinstance(module, ModuleType) or module.__name__ == home:
                continue
            if any(one is value for one in list(vars(module).values())):
                found.add(module.__name__)
        return sorted(found)

    def apply(self) -> None:
        holder, name = self._holder()
        self.original = vars(holder)[name]
        kind = type(self.original) if isinstance(self.original, (staticmethod, classmethod)) else None
        made = self.make(self.original.__func__ if kind else self.original)
        if isinstance(made, FunctionType):
            setattr(made, REPLACED, self.original)
        self.ours = kind(made) if kind else made
        setattr(holder, name, self.ours)

    def standing(self) -> bool:
        try:
            holder, name = self._holder()
            return any(one is self.ours for one in _below_ours(vars(holder).get(name)))
        except (AttributeError, KeyError):
            return False

    def revert(self) -> str:
        try:
            holder, name = self._holder()
            if vars(holder).get(name) is self.ours:
                setattr(holder, name, self.original)
                return ""
        except (AttributeError, KeyError):
            return f"{self.what.attribute} is missing now"
        return f"other code replaced {self.what.attribute} after the recipe did, so it was not restored"


REPLACED = "__compile_doctor_replaced__"
"""The attribute of a replacement that has the original."""


def _below_ours(value: Any) -> list[Any]:
    """A value, then what it replaced if a recipe put it there, and so on: several recipes may replace one attribute."""
    found = [value]
    while hasattr(getattr(found[-1], "__func__", found[-1]), REPLACED):
        found.append(getattr(getattr(found[-1], "__func__", found[-1]), REPLACED))
    return found


class Registry(Protocol):
    """What the function of a registration returns: an entry of one of torch's registries."""

    def add(self) -> None:
        """Adds it to the registry."""

    def remove(self) -> None:
        """Removes it from the registry."""

    def present(self) -> bool:
        """Whether it is registered."""


class Register:
    """An entry in a registry. An entry that exists already belongs to other code, and is not changed."""

    def __init__(self, name: str, make: Callable[[], Registry]) -> None:
        self.place = name
        self.make = make
        self.entry: Registry | None = None
        self.added = False

    def refusal(self) -> str:
        return ""

    def late(self) -> list[str]:
        return []

    def apply(self) -> None:
        self.entry = self.make()
        if not self.entry.present():
            self.entry.add()
            self.added = True

    def standing(self) -> bool:
        return self.entry is not None and self.entry.present()

    def revert(self) -> str:
        if not self.added or self.entry is None:
            return ""
        if not self.entry.present():
            return f"{self.place} is no longer registered: other code removed it"
        self.entry.remove()
        self.added = False
        return ""


class Configure:
    """A configuration value, of which the default is changed: every thread sees it, and the user's own value wins.

    Since 2.12 torch keeps assigned values in a ContextVar (pytorch#186537): other threads do not see what is assigned
    at import.
    """

    def __init__(self, what: Setting) -> None:
        self.what = what
        self.place = what.setting
        self.entry: Any = None

    def _find(self) -> Any:
        module, _, name = self.what.setting.partition(":")
        return vars(sys.modules[module])["_config"][name]

    def refusal(self) -> str:
        try:
            entry = self._find()
        except KeyError as error:
            return f"{self.what.setting} is missing: {error}"
        if set_by(entry):
            return f"{self.what.setting} is set by {set_by(entry)}, and that value is kept"
        if entry.default != self.what.before:
            return f"{self.what.setting} is {entry.default!r} here, not {self.what.before!r}: the environment sets it"
        return ""

    def late(self) -> list[str]:
        return []

    def apply(self) -> None:
        self.entry = self._find()
        self.entry.default = self.what.after
        forget_hashes(sys.modules[self.what.module])

    def standing(self) -> bool:
        return self.entry is not None and bool(self.entry.default == self.what.after)

    def revert(self) -> str:
        if not self.standing():
            return f"other code changed {self.what.setting} after the recipe did, so it was not restored"
        self.entry.default = self.what.before
        forget_hashes(sys.modules[self.what.module])
        return ""


def set_by(entry: Any) -> str:
    """What has set a configuration value: "the environment", "code", or empty if nothing has."""
    override = entry.user_override
    override = override.get() if isinstance(override, ContextVar) else override
    # torch's sentinel for "not set" is a plain object().
    if type(override) is not object:
        return "code"
    values = (entry.env_value_force, entry.env_value_default)
    return "the environment" if any(type(value) is not object for value in values) else ""


def forget_hashes(module: Any) -> None:
    """Makes torch recompute the cached hash and dictionary of a configuration module, in every thread."""
    names = vars(type(module)).get("_bypass_keys", set()) | set(vars(module))
    for name in ("_hash_dirty_var", "_get_dict_dirty_keys_var", "_hash_cache_var", "_get_dict_cache_var"):
        variable = vars(module).get(name)
        if isinstance(variable, ContextVar):
            start = True if name == "_hash_dirty_var" else None
            ModuleType.__setattr__(module, name, ContextVar(variable.name, default=start))
    if "_is_dirty" in names:
        ModuleType.__setattr__(module, "_is_dirty", True)
