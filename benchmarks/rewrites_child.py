"""Runs each case of `rewrites.py` before and after, compiled, under this Python's torch: only torch is needed.

stdin: a JSON list of {name, before, after, setup, calls}; stdout: {name: {before, after, equal}} and the version.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from typing import Any

import torch
import torch._dynamo.config
from torch._dynamo.utils import counters

SAVED = torch._dynamo.config.save_config()


def main() -> None:
    found = {}
    for case in json.load(sys.stdin):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found[case["name"]] = one(case)
    json.dump({"torch": torch.__version__.partition("+")[0], "cases": found}, sys.stdout)


def one(case: dict[str, Any]) -> dict[str, Any]:
    expected = run(case, case["before"], compiled=False)["results"]
    before, after = (run(case, case[text], compiled=True) for text in ("before", "after"))
    equal = not after["error"] and len(expected) == len(after["results"]) and all(map(same, expected, after["results"]))
    return {
        "before": before["breaks"],
        "after": after["breaks"],
        "error": after["error"],
        "error_before": before["error"],
        "equal": equal,
    }


def run(case: dict[str, Any], text: str, compiled: bool) -> dict[str, Any]:
    """The results of all calls; compiled also the number of graphs more than one for each, or of recompilations."""
    torch._dynamo.reset()
    torch._dynamo.config.load_config(SAVED)
    torch._dynamo.config.reorderable_logging_functions.clear()
    counters.clear()
    torch.manual_seed(0)
    results, error, breaks = [], "", 0
    name = f"case_{len(sys.modules)}"
    module = sys.modules[name] = types.ModuleType(name)  # up to 2.8, Dynamo imports it again by its name
    space = vars(module)
    space["torch"] = torch
    try:
        exec(case["setup"] + "\n" + text + "\n" + case["made"], space)  # the cases are ours
        for call in case["calls"]:
            function = eval(f"lambda: {call}", space)
            results.append(torch.compile(function, backend="eager")() if compiled else function())
        breaks = sum(counters["graph_break"].values())
        if case["recompiles"]:
            breaks = counters["stats"]["unique_graphs"] - 1
    except Exception as caught:
        error = f"{type(caught).__name__}: {str(caught).strip().splitlines()[0] if str(caught).strip() else ''}"[:160]
    return {"results": results, "breaks": breaks, "error": error}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        one, other = torch.as_tensor(one), torch.as_tensor(other)
        return one.shape == other.shape and torch.allclose(one.double(), other.double(), equal_nan=True)
    return bool(one == other)


if __name__ == "__main__":
    main()
