"""Applies the chosen recipes in this process, as `import compile_doctor.auto` does, and prints their states.

    python -m compile_doctor.recipes.inspect_process

The last line on stdout is JSON. Started by listing.py: importing all of torch's compiler takes seconds.
"""

from __future__ import annotations

import importlib
import json
import logging

from compile_doctor.recipes import waiting
from compile_doctor.recipes.catalogue import all_recipes, installed
from compile_doctor.recipes.engine import ENGINE, PatchError, Status, modules_here, refused_here

COMPILER = ("torch._dynamo", "torch._inductor.compile_fx", "torch.nn.attention.flex_attention")


def main() -> None:
    """Prints {"torch": …, "recipes": [{"id", "state", "reason"}]}."""
    logging.getLogger("compile_doctor").setLevel(logging.CRITICAL)  # its warnings are in the states
    waiting.start()
    for module in COMPILER:
        importlib.import_module(module)
    found = []
    for recipe in all_recipes():
        if refused_here(recipe) is None:
            for module in modules_here(recipe):
                try:
                    importlib.import_module(module)
                except ImportError:  # the engine reports what is missing
                    continue
        status = ENGINE.status(recipe)
        if status.state == "applicable" and recipe.action != "warn":
            status = _tried(status)
        found.append({"id": recipe.id, "state": status.state, "reason": status.reason})
    print("\n" + json.dumps({"torch": installed("torch"), "recipes": found}), flush=True)


def _tried(status: Status) -> Status:
    """The state of a recipe that was not chosen: whether its guards would allow it. Nothing is changed."""
    try:
        ENGINE.check(status.recipe)
    except PatchError as error:
        return Status(status.recipe, error.state, error.reason)
    return status


if __name__ == "__main__":
    main()
