"""Runs one recipe's `verify` program in this process, without the recipe, or with it and again once it is reverted.

    python -m compile_doctor.recipes.proof ID without|with

Started by verify.py, in a fresh process each. The last line on stdout is the result, as JSON.
"""

from __future__ import annotations

import io
import json
import linecache
import os
import sys
import traceback
import warnings
from contextlib import redirect_stderr
from types import ModuleType

from compile_doctor.recipes.catalogue import find_recipe
from compile_doctor.recipes.recipe import Recipe

FAILS, PASSES = "fails", "passes"

_LINES = 60
"""Of an error that is not the expected one: torch's traceback fits."""


def run_program(recipe: Recipe, number: int) -> tuple[str, str]:
    """(fails or passes, what went wrong): it fails only in the way that the recipe says; another error raises RuntimeError."""
    name = f"verify_{recipe.id.replace('-', '_')}_{number}"
    module = ModuleType(name)
    module.__file__ = f"<verify {recipe.id} {number}>"
    # Where Dynamo and inspect look for the source; a module in sys.modules is where Dynamo looks for its globals.
    linecache.cache[module.__file__] = (
        len(recipe.verify),
        None,
        recipe.verify.splitlines(keepends=True),
        module.__file__,
    )
    sys.modules[name] = module
    said = io.StringIO()
    try:
        with redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("always")
            exec(compile(recipe.verify, module.__file__, "exec"), module.__dict__)
    except Exception:  # whatever torch raises is what is asked about
        text = traceback.format_exc()
        assert recipe.verify_fails is not None
        if not recipe.verify_fails.search(text):
            raise RuntimeError(
                f"it failed in another way than {recipe.verify_fails.pattern!r}:\n{_short(text)}"
            ) from None
        return FAILS, text.strip().rsplit("\n", 1)[-1]
    return PASSES, ""


def _short(text: str) -> str:
    """Inductor writes all of a graph's nodes into a message."""
    lines = text.splitlines()
    return "\n".join([*lines[:_LINES], f"… {len(lines) - _LINES} more lines"] if len(lines) > _LINES else lines)


def main(arguments: list[str]) -> int:
    """Prints {"without": …} or {"with": …, "reverted": …}, with "reason" where it is not what it should be."""
    recipe, mode = find_recipe(arguments[0]), arguments[1]
    result: dict[str, str] = {}
    try:
        if mode == "without":
            result["without"], result["reason"] = run_program(recipe, 0)
        else:
            _with(recipe, result)
    except Exception as error:  # goes into the table, whatever it is
        result["error"] = str(error)
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # no compile workers or threads to wait for


def _with(recipe: Recipe, result: dict[str, str]) -> None:
    """As a user has it: chosen by the environment, applied as torch is imported; then taken back, and run again."""
    from compile_doctor.recipes import engine, waiting

    waiting.start(recipe.id)
    result["with"], result["reason"] = run_program(recipe, 1)
    status = engine.ENGINE.status(recipe)
    if status.state != "active":
        raise RuntimeError(f"it was not active: {status.state}: {status.reason}")
    left = engine.revert(recipe.id)
    if left:
        raise RuntimeError(f"it could not be taken back: {left[recipe.id]}")
    result["reverted"], _ = run_program(recipe, 2)


if __name__ == "__main__":
    main(sys.argv[1:])
