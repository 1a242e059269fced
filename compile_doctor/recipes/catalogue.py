"""Finds the recipes, and those that affect this environment; nothing here imports torch."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from compile_doctor.errors import UsageError
from compile_doctor.plugins import RECIPES, Plugin, plugins
from compile_doctor.recipes.read import RecipeError, read_recipe
from compile_doctor.recipes.recipe import Recipe

OWN_RECIPES = "COMPILE_DOCTOR_RECIPES"
"""The environment variable with a folder of the user's own recipes; their code is in its `patches/`."""


def folders() -> tuple[Path, ...]:
    """The folder of the shipped recipes (in the package in a wheel, beside it in a checkout), of plug-ins, of the user.

    Raises UsageError if the user's folder or a plug-in's is missing.
    """
    shipped = _shipped()
    own = os.environ.get(OWN_RECIPES)
    if own and not Path(own).is_dir():
        raise UsageError(
            f"{OWN_RECIPES} is {own}, which is not a folder.",
            hint=f"Set it to a folder of recipes, or unset {OWN_RECIPES}.",
        )
    return (shipped, *map(_folder_of, plugins(RECIPES)), *((Path(own).resolve(),) if own else ()))


@cache
def _folder_of(plugin: Plugin) -> Path:
    """The folder of a package, or a folder in it; the package itself is not imported."""
    hint = f"Update or uninstall {plugin.distribution}."
    try:
        spec = find_spec(plugin.entry.module)
        inside = plugin.entry.attr.split(".") if plugin.entry.attr else ()
        places = [Path(place, *inside) for place in (spec and spec.submodule_search_locations) or ()]
    except Exception as error:  # a parent package is foreign code, and an entry point may be anything
        raise UsageError(f"{plugin.error(f'cannot be found: {type(error).__name__}: {error}')}", hint=hint) from error
    found = next((place.resolve() for place in places if place.is_dir()), None)
    if found is None:
        raise UsageError(str(plugin.error("is not a folder of recipes")), hint=hint)
    return found


@cache
def _shipped() -> Path:
    here = Path(__file__).resolve().parent
    return here / "shipped" if (here / "shipped").is_dir() else here.parent.parent / "recipes"


def all_recipes() -> tuple[Recipe, ...]:
    """Sorted by id. Raises RecipeError for a file with a mistake, or if two files have the same id."""
    return _read(folders())


@lru_cache(maxsize=4)
def _read(places: tuple[Path, ...]) -> tuple[Recipe, ...]:
    found: dict[str, Recipe] = {}
    for folder in places:
        for path in sorted(folder.glob("*.yaml")):
            recipe = read_recipe(path)
            if recipe.id in found:
                raise RecipeError(
                    f"{path}: the id {recipe.id} is already used by {found[recipe.id].file}. Rename one of them."
                )
            found[recipe.id] = recipe
    return tuple(found[name] for name in sorted(found))


def find_recipe(name: str) -> Recipe:
    """The recipe with this id. Raises UsageError, with the nearest ids, if there is none."""
    recipes = {recipe.id: recipe for recipe in all_recipes()}
    if name in recipes:
        return recipes[name]
    near = get_close_matches(name, recipes, 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`compile-doctor patches list --all` shows them all."
    raise UsageError(f"There is no recipe {name!r}.", hint=hint)


def installed(package: str) -> str | None:
    """The version of a package; None if it is not installed. If it is imported, that of the loaded module."""
    loaded = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(loaded, str):
        return str(loaded)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=1024)
def within(spec: str, version: str) -> bool:
    """Whether a version is in a PEP 440 range. A nightly of 2.10 is not `<2.10` or `>=2.10`; local labels do not count."""
    try:
        return SpecifierSet(spec).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def why_not_affected(
    recipe: Recipe, versions: Callable[[str], str | None] = installed, here: Mapping[str, str] | None = None
) -> str:
    """Why a recipe does not affect this environment; empty if it does.

    `here` is {platform, machine}; by default that of this machine.
    """
    for package, spec in recipe.affects.items():
        version = versions(package)
        if version is None:
            return f"{package} is not installed"
        if not within(spec, version):
            return f"{package} {version} is not in {spec}"
    facts = here or {"platform": sys.platform, "machine": platform.machine()}
    for name in ("platform", "machine"):
        wanted = recipe.conditions.get(name)
        if wanted and facts.get(name) not in wanted.split("|"):
            return f"{name} is {facts.get(name)}, not {wanted}"
    return ""
