"""Runs the `verify` program of a recipe in this process: without the recipe, or with it and again once it is reverted.

    python -m compile_doctor.recipes.proof ID without|with

verify.py starts a new process for each. The last line on stdout is the result, as JSON.
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
"""Lines that are kept of an error that is not the expected one; torch's traceback fits."""


def run_program(recipe: Recipe, number: int) -> tuple[str, str]:
    """FAILS or PASSES, and the error. Raises RuntimeError if the program fails with another error than the recipe's."""
    name = f"verify_{recipe.id.replace('-', '_')}_{number}"
    module = ModuleType(name)
    module.__file__ = f"<verify {recipe.id} {number}>"
    # Dynamo and inspect look for the source in linecache; Dynamo looks for the globals in the module in sys.modules.
    linecache.cache[module.__file__] = (
        len(recipe.verify),
        None,
        recipe.verify.splitlines(keepends=True),
        module.__file__,
    )
    sys.modules[name] = module
    warned = io.StringIO()
    try:
        with redirect_stderr(warned), warnings.catch_warnings():
            warnings.simplefilter("always")
            exec(compile(recipe.verify, module.__file__, "exec"), module.__dict__)
    except Exception:  # the program may raise anything: it is compared with what the recipe expects
        text = traceback.format_exc()
        assert recipe.verify_fails is not None
        if not recipe.verify_fails.search(text):
            raise RuntimeError(
                f"it failed, but not with the error {recipe.verify_fails.pattern!r}:\n{_short(text)}"
            ) from None
        return FAILS, text.strip().rsplit("\n", 1)[-1]
    return PASSES, ""


def _short(text: str) -> str:
    """The first _LINES lines: Inductor writes all nodes of a graph into a message."""
    lines = text.splitlines()
    return "\n".join([*lines[:_LINES], f"… {len(lines) - _LINES} more lines"] if len(lines) > _LINES else lines)


def main(arguments: list[str]) -> int:
    """Prints {"without": …} or {"with": …, "reverted": …}, with "reason" if the program failed."""
    recipe, mode = find_recipe(arguments[0]), arguments[1]
    result: dict[str, str] = {}
    try:
        if mode == "without":
            result["without"], result["reason"] = run_program(recipe, 0)
        else:
            _with(recipe, result)
    except Exception as error:  # any error goes into the table
        result["error"] = str(error)
    print("\n" + json.dumps(result), flush=True)
    os._exit(0)  # no compile workers or threads to wait for


def _with(recipe: Recipe, result: dict[str, str]) -> None:
    """Runs it with the recipe applied at the import of torch, as for a user; then reverts it, and runs it again."""
    from compile_doctor.recipes import engine, waiting

    waiting.start(recipe.id)
    result["with"], result["reason"] = run_program(recipe, 1)
    status = engine.ENGINE.status(recipe)
    if status.state != "active":
        raise RuntimeError(f"the recipe was not active: {status.state}: {status.reason}")
    left = engine.revert(recipe.id)
    if left:
        raise RuntimeError(f"the recipe could not be reverted: {'; '.join(left.values())}")
    result["reverted"], _ = run_program(recipe, 2)


if __name__ == "__main__":
    main(sys.argv[1:])
