"""Finds the recipe whose signature an exception has; nothing here imports torch, or the code that reads a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compile_doctor.recipes.catalogue import all_recipes, within
from compile_doctor.recipes.recipe import Recipe

COMPILE_ERROR = "CD106"


def recipe_for_error(message: str, text: str, environment: Mapping[str, Any]) -> Recipe | None:
    """The recipe whose signature a compile error has, or None.

    `message` is the error's; `text` has all messages of the exception chain, and the functions on its stack.
    """
    for recipe in all_recipes():
        wanted = recipe.signature
        if COMPILE_ERROR not in wanted.codes or wanted.message is None or not about(recipe, environment):
            continue
        if wanted.message.search(message) and wanted.stack in text:
            return recipe
    return None


def about(recipe: Recipe, environment: Mapping[str, Any]) -> bool:
    """Whether a recipe affects the torch and the device of a diagnosis, which may come from another machine."""
    version = environment.get("torch")
    spec = recipe.affects.get("torch")
    if spec and not (version and within(spec, str(version))):
        return False
    device = recipe.conditions.get("device")
    if device and environment.get("device") and environment["device"] not in device.split("|"):
        return False
    return can_occur_at(recipe, environment.get("capability"))


def can_occur_at(recipe: Recipe, capability: str | None) -> bool:
    """Whether a GPU of this compute capability can have the defect; an unknown one can."""
    wanted = recipe.conditions.get("capability")
    return not wanted or not capability or within(wanted, capability)
