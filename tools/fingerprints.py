"""Prints the fingerprints of the functions that recipes replace, for the torch of this Python.

    /path/to/venv/bin/python tools/fingerprints.py cpu-flex-query-view

They go into the `known` lists of recipes/*.yaml, once you have checked that the patch fits (`--source` prints the source).
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compile_doctor.recipes.catalogue import find_recipe, installed, within
from compile_doctor.recipes.fingerprint import fingerprint


def main(arguments: list[str]) -> None:
    """Prints one line for each attribute that the installed torch should have."""
    version = installed("torch") or ""
    importlib.import_module("torch._inductor.compile_fx")
    for name in (one for one in arguments if not one.startswith("--")):
        for one in find_recipe(name).replaces:
            if one.versions and not within(one.versions, version):
                continue
            module, _, path = one.attribute.partition(":")
            try:
                value = importlib.import_module(module)
                *parents, last = path.split(".")
                for parent in parents:
                    value = getattr(value, parent)
                found = vars(value)[last]
            except (ImportError, AttributeError, KeyError) as error:
                print(f"{version} {one.attribute}: missing: {error}")
                continue
            print(f"{version} {one.attribute}: {fingerprint(found)}")
            if "--source" in arguments:
                print(inspect.getsource(getattr(found, "__func__", found)))


if __name__ == "__main__":
    main(sys.argv[1:])
