"""Which recipe an exception has the signature of; nothing here imports torch, or what reads a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compile_doctor.recipes.catalogue import all_recipes, within
from compile_doctor.recipes.recipe import Recipe

COMPILE_ERROR = "CD106"


def recipe_for_error(message: str, text: str, environment: Mapping[str, Any]) -> Recipe | None:
    """The recipe whose signature a compile error has; `text` is all messages of the chain and the functions they passed."""
    for recipe in all_recipes():
        wanted = recipe.signature
        if COMPILE_ERROR not in wanted.codes or wanted.message is None or not about(recipe, environment):
            continue
        if wanted.message.search(message) and wanted.stack in text:
            return recipe
    return None


def about(recipe: Recipe, environment: Mapping[str, Any]) -> bool:
    """Whether a recipe is about the torch and the device of a diagnosis, which may be another machine's."""
    version = environment.get("torch")
    spec = recipe.affects.get("torch")
    if spec and not (version and within(spec, str(version))):
        return False
    device = recipe.conditions.get("device")
    return not device or not environment.get("device") or environment["device"] in device.split("|")
