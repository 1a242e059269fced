"""Runs the programs of the exam under torch.compile and `torch._dynamo.explain`, each in a fork, without compile_doctor.

Reads one JSON job per line from stdin, and writes one JSON result per line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import types
import warnings
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

import torch
import torch._dynamo
import torch._dynamo.convert_frame

CALLS = 6


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    warm_up()
    for line in sys.stdin:
        job = json.loads(line)
        result = {"name": job["name"], "explain": forked(explained, job), "logs": forked(logged, job)}
        if job.get("after"):
            result["after"] = forked(fixed, job)
        print(json.dumps(result), flush=True)


def warm_up() -> None:
    """Compiles something once, so that no fork has to import what Dynamo imports at its first use."""
    torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1))
    torch._dynamo.explain(lambda x: x * 2)(torch.ones(1))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def forked(function: Callable[[dict[str, Any]], Any], job: dict[str, Any]) -> Any:
    """What a function returns, or how it failed, in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            answer = function(job)
        except BaseException as error:
            answer = {"error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:200]}
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"error": "the process died"}


def loaded(text: str, name: str) -> tuple[Callable[..., Any], list[Any]]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    torch.manual_seed(0)
    exec(compile(text, f"<{name}>", "exec"), vars(module))
    return module.build_model(), module.example_input_sets()


def calls(sets: list[Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    pairs = [
        one if len(one) == 2 and isinstance(one[0], tuple) and isinstance(one[1], dict) else (one, {}) for one in sets
    ]
    return [(tuple(args), kwargs) for args, kwargs in pairs]


def outputs(job: dict[str, Any], text: str, backend: str | None) -> list[Any]:
    function, sets = loaded(text, "exam_program")
    function = torch.compile(function, backend=backend) if backend else function
    found = []
    with torch.set_grad_enabled(bool(job.get("grad"))):
        for args, kwargs in calls(sets):
            torch.manual_seed(1)
            found.append(function(*args, **kwargs))
    return found


def explained(job: dict[str, Any]) -> Any:
    function, sets = loaded(job["text"], "exam_program")
    args, kwargs = calls(sets)[0]
    with torch.set_grad_enabled(bool(job.get("grad"))):
        return torch._dynamo.explain(function)(*args, **kwargs).graph_break_count


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.name.endswith(".__graph_breaks") and "Graph break" in record.getMessage()


def logged(job: dict[str, Any]) -> Any:
    """The records that TORCH_LOGS=graph_breaks would print."""
    torch._logging.set_logs(graph_breaks=True)
    counter = _Records()
    logging.getLogger("torch._dynamo").addHandler(counter)
    outputs(job, job["text"], "eager")
    return counter.count


def fixed(job: dict[str, Any]) -> Any:
    """Whether the program with the fix has no break, and the output of the program without it."""
    wanted = outputs(job, job["text"], None)
    for name, value in job.get("settings", {}).items():
        setattr(torch._dynamo.config, name, value)
    torch._dynamo.utils.counters.clear()
    got = outputs(job, job["after"], "eager")
    breaks = list(torch._dynamo.utils.counters["graph_break"])
    reason = breaks[0][:200] if breaks else ""
    graphs = {"graphs_before": graphs_in_six_calls(job, job["text"]), "graphs": graphs_in_six_calls(job, job["after"])}
    one, other = gradients(job["text"]), gradients(job["after"])
    equal = one is None or other is None or same(one, other)
    return {"breaks": len(breaks), "reason": reason, "equal": same(got, wanted), "gradients": equal, **graphs}


def graphs_in_six_calls(job: dict[str, Any], text: str) -> int:
    """Graphs in six calls: a list that grows has no break and one graph for each call."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    function, sets = loaded(text, "exam_program")
    function = torch.compile(function, backend="eager")
    with torch.set_grad_enabled(bool(job.get("grad"))):
        for args, kwargs in islice(cycle(calls(sets)), CALLS):
            torch.manual_seed(1)
            try:
                function(*args, **kwargs)
            except Exception:  # the program without the fix may fail: what it compiled until then counts
                break
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])


def gradients(text: str) -> list[torch.Tensor] | None:
    """The gradients of the first call, in eager mode, of parameters and inputs; None for a program without."""
    try:
        function, sets = loaded(text, "exam_gradients")
        args, kwargs = calls(sets)[0]
        leaves = [one.detach().clone().requires_grad_() if _is_float(one) else one for one in args]
        torch.manual_seed(1)
        found = [one for one in _tensors(function(*leaves, **kwargs)) if one.requires_grad]
        sum(one.sum() for one in found).backward()  # type: ignore[union-attr]
    except Exception:  # no output has a gradient, or the program changes its inputs in place
        return None
    parameters = list(function.parameters()) if isinstance(function, torch.nn.Module) else []
    wanted = [*(one for one in leaves if _is_float(one)), *parameters]
    return [torch.zeros_like(one) if one.grad is None else one.grad for one in wanted]


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [one for part in parts for one in _tensors(part)]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        one, other = torch.as_tensor(one).detach().double(), torch.as_tensor(other).detach().double()
        return one.shape == other.shape and bool(torch.allclose(one, other, atol=1e-5, equal_nan=True))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


if __name__ == "__main__":
    main()
