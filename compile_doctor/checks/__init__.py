"""The checks: one file per code, found by its file name `cdNNN_name.py`; each defines `CHECK`. Plug-ins add others."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module

from compile_doctor.checks.base import CODE, Check
from compile_doctor.plugins import CHECKS, Plugin, PluginError, plugins

_RESERVED = re.compile(r"(CD|GB)[0-9]")
"""compile-doctor's own codes, and torch's ids of graph breaks."""


def codes() -> tuple[str, ...]:
    """The codes of all checks, those of plug-ins last. Imports none of them, because that takes long."""
    return (*_own(), *_of_plugins()[0])


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, in the order of `codes`. A new file in this package is all that a new check needs."""
    found = (_load(code) for code in codes())
    return tuple(one for one in found if isinstance(one, Check))


def own_checks() -> tuple[Check, ...]:
    """The checks that compile-doctor itself has."""
    return tuple(check for check in all_checks() if not plugin_of(check.code))


def unusable() -> tuple[tuple[str, str], ...]:
    """(name, why) of the plug-ins' checks that cannot be used: a report names them, and is not HEALTHY."""
    loaded = ((code, _load(code)) for code in codes())
    return (*_of_plugins()[1], *((code, why) for code, why in loaded if isinstance(why, str)))


def find_check(text: str) -> Check | None:
    """The check with this code (`CD101`) or name (`graph-break`), in upper or lower case; None if there is none."""
    wanted = text.strip().lower()
    if wanted.upper() in codes():
        found = _load(wanted.upper())
        return found if isinstance(found, Check) else None
    return next((check for check in all_checks() if check.name == wanted), None)


def plugin_of(name: str) -> str:
    """The distribution that a check comes from; empty for compile-doctor's own."""
    if name in _own():
        return ""
    return " and ".join(one.distribution for one in plugins(CHECKS) if one.name == name)


@cache
def _own() -> Mapping[str, str]:
    """The modules by code."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("cd"))
    return {name.partition("_")[0].upper(): name for name in names}


@cache
def _of_plugins() -> tuple[Mapping[str, Plugin], tuple[tuple[str, str], ...]]:
    """The plug-ins by code, and (name, why) of those whose code cannot be used."""
    found: dict[str, Plugin] = {}
    refused = []
    for plugin in plugins(CHECKS):
        if not CODE.fullmatch(plugin.name) or _RESERVED.match(plugin.name):
            problem = (
                f"the code {plugin.name!r} is not two to six capital letters and three digits, with a prefix of its own"
                " (CD and GB are taken)"
            )
        elif plugin.name in found:
            problem = f"{found[plugin.name].distribution} has a check {plugin.name} too. Uninstall one of the two"
        else:
            found[plugin.name] = plugin
            continue
        refused.append((plugin.name, f"plug-in {plugin.distribution}: {problem}"))
    return found, tuple(refused)


@cache
def _load(code: str) -> Check | str:
    """The check, or the reason why a plug-in's check cannot be used."""
    if code in _own():
        check: Check = import_module(f"{__name__}.{_own()[code]}").CHECK
        return check
    plugin = _of_plugins()[0][code]
    try:
        found = plugin.load()
    except PluginError as error:
        return str(error)
    if not isinstance(found, Check):
        return str(plugin.error(f"is of type {type(found).__name__}, not a Check"))
    if found.code != code:
        return str(plugin.error(f"has the code {found.code}, but its entry point is named {code}"))
    return found
