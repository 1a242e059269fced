"""Imports a target as a real module and finds what to run in it, in the order of the contract."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from compile_doctor.probe.observe.installed import file_of, installed


class NotATargetError(Exception):
    """The module has nothing that can be run; the message names what is missing."""


Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Decoding:
    """The hooks `full(model, inputs)` and `incremental(model, inputs, chunk)`, and the inputs as the target returns them."""

    full: Callable[[Any, Any], Any]
    incremental: Callable[[Any, Any, int], Any]
    inputs: Callable[[], Any]


@dataclass(frozen=True)
class Program:
    """What to run: `build` makes the model, `input_sets` the inputs; each call makes new ones."""

    convention: str
    """How the target is interpreted, for the first line of the report."""
    build: Callable[[], Any]
    input_sets: Callable[[], list[Inputs]]
    rebuildable: bool
    """Whether `build` makes a new model, so that the eager run starts from the same state."""
    decoding: Decoding | None = None
    """The target's hooks for parity, if it has both."""


def import_file(path: Path) -> ModuleType:
    """Imports a file under its own name, inside its package if it has one, registered in sys.modules.

    Raises ImportError for a file that Python has no loader for, and whatever the file raises.
    """
    parts = [path.stem]
    root = path.parent
    while (root / "__init__.py").exists() and root.name.isidentifier():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    name = ".".join(parts)
    if len(parts) > 1 and all(part.isidentifier() for part in parts):
        return importlib.import_module(name)
    if not name.isidentifier() or name in sys.modules or name in sys.stdlib_module_names:
        name = "target_" + "".join(letter if letter.isalnum() else "_" for letter in path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported: Python has no loader for this kind of file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_program(module: ModuleType, attr: str | None, tokens: int | None) -> Program:
    """What to run of a module, or of its attribute. Raises NotATargetError if it has nothing that can be run."""
    return replace(_find(module, attr, tokens), decoding=_decoding(module, tokens))


def _decoding(module: ModuleType, tokens: int | None) -> Decoding | None:
    """The hooks, if the module itself defines both."""
    full, incremental = (getattr(module, name, None) for name in ("full", "incremental"))
    if any(getattr(hook, "__module__", None) != module.__name__ for hook in (full, incremental)):
        return None
    assert callable(full) and callable(incremental)
    return Decoding(full, incremental, lambda: next(iter(_given(module, tokens))))


def _find(module: ModuleType, attr: str | None, tokens: int | None) -> Program:
    if attr is not None:
        return _from_attribute(module, attr, tokens)
    if hasattr(module, "build_model") and _has_inputs(module):
        return Program("build_model(), example_inputs()", module.build_model, _inputs_of(module, tokens), True)
    if hasattr(module, "Model") and hasattr(module, "get_inputs"):
        arguments = getattr(module, "get_init_inputs", list)
        return Program(
            "Model, get_inputs()", lambda: _kernelbench(module.Model, arguments()), _inputs_of(module, tokens), True
        )
    missing = _missing(module)
    raise NotATargetError(f"{Path(str(module.__file__)).name} is not a valid target: {missing} missing.")


def _missing(module: ModuleType) -> str:
    if hasattr(module, "build_model") or hasattr(module, "Model"):
        return "example_inputs() (or get_inputs()) is"
    return "build_model() (or class Model) is" if _has_inputs(module) else "build_model() and example_inputs() are"


def _kernelbench(model: Any, arguments: Any) -> Any:
    args, kwargs = normalise(arguments)
    return model(*args, **kwargs)


def _from_attribute(module: ModuleType, attr: str, tokens: int | None) -> Program:
    value: Any = module
    for part in attr.split("."):
        if not hasattr(value, part):
            raise NotATargetError(f"{module.__name__} has no attribute {attr!r}.")
        value = getattr(value, part)
    if not _has_inputs(module):
        raise NotATargetError(f"{module.__name__} has {attr!r}, but no example_inputs() to call it with.")
    inputs = _inputs_of(module, tokens)
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        arguments = getattr(module, "get_init_inputs", list)
        return Program(f"class {attr}, its inputs", lambda: _kernelbench(value, arguments()), inputs, True)
    if isinstance(value, torch.nn.Module):
        return Program(f"module {attr}, its inputs", lambda: value, inputs, False)
    if not callable(value):
        raise NotATargetError(f"{attr!r} is a {type(value).__name__}. Name a module, a callable or a factory.")
    if _needs_no_arguments(value):
        return Program(f"{attr}(), its inputs", value, inputs, True)
    return Program(f"callable {attr}, its inputs", lambda: value, inputs, False)


def _needs_no_arguments(value: Callable[..., Any]) -> bool:
    """A callable without required parameters is a factory: there would be nothing to pass inputs to."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return not any(p.default is p.empty and p.kind not in variable for p in parameters) and not any(
        p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters
    )


def _has_inputs(module: ModuleType) -> bool:
    return any(hasattr(module, name) for name in ("example_input_sets", "example_inputs", "get_inputs"))


def _inputs_of(module: ModuleType, tokens: int | None) -> Callable[[], list[Inputs]]:
    def make() -> list[Inputs]:
        return [normalise(one) for one in _given(module, tokens)]

    if tokens is not None and not any(
        "tokens" in inspect.signature(getattr(module, name)).parameters
        for name in ("example_input_sets", "example_inputs", "get_inputs")
        if hasattr(module, name)
    ):
        raise NotATargetError("example_inputs() has no parameter named `tokens`. Add it, or leave out --tokens.")
    return make


def _given(module: ModuleType, tokens: int | None) -> Iterable[Any]:
    """The sets of inputs as the target returns them."""
    for name, several in (("example_input_sets", True), ("example_inputs", False), ("get_inputs", False)):
        function = getattr(module, name, None)
        if function is None:
            continue
        takes = "tokens" in inspect.signature(function).parameters
        made = function(tokens=tokens) if takes and tokens is not None else function()
        return made if several else [made]
    raise NotATargetError("the target has no inputs: define example_inputs()")


def normalise(inputs: Any) -> Inputs:
    """(args, kwargs) from a tuple or list (args), a dict (kwargs), (args, kwargs), or one value."""
    if isinstance(inputs, dict):
        return (), inputs
    if isinstance(inputs, (tuple, list)):
        if len(inputs) == 2 and isinstance(inputs[0], (tuple, list)) and isinstance(inputs[1], dict):
            return tuple(inputs[0]), inputs[1]
        return tuple(inputs), {}
    return (inputs,), {}


_before: set[str] = set()
"""Modules that a server had loaded when it forked this process."""


def loaded_before() -> None:
    """For a server: what is loaded now does not belong to a target, except files that Python imported at start-up."""
    own = {name for name, file in _files() if not installed(file)}
    _before.update(set(sys.modules) - own)


def loaded_files() -> list[str]:
    """The Python files of the loaded modules, except those that a server had loaded."""
    return [file for _, file in _files()]


def _files() -> list[tuple[str, str]]:
    new = [(name, module) for name, module in list(sys.modules.items()) if name not in _before]
    files = ((name, file_of(module)) for name, module in new)
    return [(name, file) for name, file in files if file is not None and file.endswith(".py")]


def own_files() -> list[str]:
    """The files of loaded modules that belong neither to a package nor to Python: what static checks may read."""
    return sorted(file for file in loaded_files() if os.path.isabs(file) and not installed(file))[:200]
