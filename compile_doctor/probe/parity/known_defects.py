"""Known defects of torch in the suite: the recipe that fixes a wrong cell, or one that cannot be compiled."""

from __future__ import annotations

import torch

from compile_doctor.errors import UsageError
from compile_doctor.probe.observe.failures import describe
from compile_doctor.probe.parity.cases import find_case
from compile_doctor.recipes.catalogue import find_recipe, why_not_affected
from compile_doctor.recipes.errors import about, recipe_for_error


def defect_of_case(case: str, implementation: str, direction: str, device: str) -> str | None:
    """The recipe for the defect that makes this cell wrong, if the torch of this process has it; else None."""
    known = find_case(case).known
    if known is None or implementation not in known.implementations or direction not in known.directions:
        return None
    recipe = find_recipe(known.recipe)
    return recipe.id if not why_not_affected(recipe) and about(recipe, _environment(device)) else None


def defect_of_error(error: BaseException, compiled: str, device: str) -> str | None:
    """The default recipe that fixes this error, by its signature: the messages of its chain, and the functions in its stacks.

    `compiled`: the name of what was compiled, such as flex_attention, because a C++ compiler's error does not have it.
    """
    chain = describe(error)["chain"]
    messages = "\n".join(link["message"] for link in chain)
    functions = "\n".join(frame[2] for link in chain for frame in link["stack"])
    try:
        recipe = recipe_for_error(messages, f"{messages}\n{functions}\n{compiled}", _environment(device))
    except UsageError:  # a recipe of the user's that cannot be read must not lose the cell
        return None
    return recipe.id if recipe and recipe.action == "patch" and recipe.default else None


def _environment(device: str) -> dict[str, str]:
    return {"torch": str(torch.__version__), "device": torch.device(device).type}
