"""Runs one target in this process under torch.compile or `torch._dynamo.explain`, for the other tools of the comparison.

It loads targets without compile_doctor, so that a mistake there cannot affect both sides of the comparison.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch._dynamo

Call = tuple[tuple[Any, ...], dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["explain", "compile"])
    parser.add_argument("target", type=Path)
    parser.add_argument("--backend", default="eager")
    parser.add_argument("--dynamic", choices=["auto", "true", "false"], default="auto")
    parser.add_argument("--repeat", type=int, default=1, help="calls with each input")
    parser.add_argument("--grad", action="store_true")
    parser.add_argument("--as-is", action="store_true", help="the target compiles by itself")
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--factory", default="build_model")
    parser.add_argument("--memory-limit", type=int, help="bytes of private memory")
    options = parser.parse_args()
    if options.memory_limit:
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory_limit, options.memory_limit))
    function, calls = load(options.target, options.factory, options.tokens)
    torch.set_grad_enabled(options.grad)
    started = time.perf_counter()
    result: dict[str, Any] = {}
    try:
        if options.mode == "explain":
            result = explained(function, calls[0])
        else:
            dynamic = {"auto": None, "true": True, "false": False}[options.dynamic]
            by_itself = options.as_is or is_compiled(function)
            compiled = function if by_itself else torch.compile(function, backend=options.backend, dynamic=dynamic)
            for args, kwargs in calls:
                for _ in range(options.repeat):
                    compiled(*args, **kwargs)
            metrics = torch._dynamo.utils.counters
            counted = {name: dict(metrics[name]) for name in ("frames", "stats")}
            result = {"counters": {**counted, "graph_breaks": sum(metrics["graph_break"].values())}}
    except Exception as error:
        result["error"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[
            :300
        ]
    result["seconds"] = round(time.perf_counter() - started, 2)
    print("\n@result " + json.dumps(result))


def load(path: Path, factory: str = "build_model", tokens: int | None = None) -> tuple[Callable[..., Any], list[Call]]:
    """The callable of the target and its inputs, by the conventions for target files."""
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    if hasattr(module, "build_model"):
        function = getattr(module, factory)()
        inputs = module.example_inputs if tokens is None else partial(module.example_inputs, tokens=tokens)
        sets = module.example_input_sets() if hasattr(module, "example_input_sets") else [inputs()]
    else:
        function = module.Model(*getattr(module, "get_init_inputs", list)())
        sets = [module.get_inputs()]
    return function, [as_call(inputs) for inputs in sets]


def as_call(inputs: Any) -> Call:
    if isinstance(inputs, dict):
        return (), inputs
    if (
        isinstance(inputs, tuple)
        and len(inputs) == 2
        and isinstance(inputs[0], tuple | list)
        and isinstance(inputs[1], dict)
    ):
        return tuple(inputs[0]), inputs[1]
    return (tuple(inputs), {}) if isinstance(inputs, tuple | list) else ((inputs,), {})


def is_compiled(function: Any) -> bool:
    return isinstance(function, torch._dynamo.OptimizedModule) or hasattr(function, "_torchdynamo_orig_callable")


def explained(function: Callable[..., Any], call: Call) -> dict[str, Any]:
    output = torch._dynamo.explain(function)(*call[0], **call[1])
    return {
        "graph_breaks": output.graph_break_count,
        "graphs": output.graph_count,
        "reasons": [
            {
                "reason": str(reason.reason),
                "stack": [f"{frame.filename}:{frame.lineno}" for frame in user_stack(reason)],
            }
            for reason in output.break_reasons
        ],
    }


def user_stack(reason: Any) -> Iterator[Any]:
    yield from reason.user_stack or ()


if __name__ == "__main__":
    main()
