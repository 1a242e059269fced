"""Imports a target as a real module and finds what to run in it, in the order of the contract."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from compile_doctor.probe.observe.installed import file_of, installed


class NotATargetError(Exception):
    """The module has nothing that can be run; the message names what is missing."""


INPUTS = ("example_input_sets", "example_inputs", "get_inputs")
"""The functions that a target may have for its inputs; the first one counts."""
Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What the user passes to the target's own functions: `--tokens` and `--set`."""

    tokens: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


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
    build: Callable[..., Any]
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


def find_program(module: ModuleType, attr: str | None, asked: Asked | None = None) -> Program:
    """What to run of a module, or of its attribute. Raises NotATargetError if it has nothing that can be run."""
    asked = asked or Asked()
    program = replace(_find(module, attr, asked), decoding=_decoding(module, asked))
    return _with_arguments(program, module, attr, asked.arguments) if asked.arguments else program


def _with_arguments(program: Program, module: ModuleType, attr: str | None, arguments: Mapping[str, Any]) -> Program:
    """Passes the arguments of `--set` to what makes the model; those that only the inputs take go to them alone."""
    factory = _factory(module, attr)
    taken = {name: value for name, value in arguments.items() if _takes(factory, name)}
    for name in arguments:
        if name not in taken and not _takes(_input_function(module), name):
            where = (
                "is made before compile-doctor can pass it anything" if factory is None else "takes no such argument"
            )
            raise NotATargetError(
                f"--set {name}: {attr or 'build_model'} {where}, and no function for the inputs takes it either. "
                f"Add a parameter {name!r} to one of them."
            )
    convention = program.convention.replace("()", f"({_shown(taken)})", 1) if taken else program.convention
    inputs = _input_function(module)
    given = {name: value for name, value in arguments.items() if _takes(inputs, name)}
    if inputs is not None and given:
        convention = convention.replace(f"{inputs.__name__}()", f"{inputs.__name__}({_shown(given)})")
    return replace(program, convention=convention, build=lambda: program.build(**taken))


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _factory(module: ModuleType, attr: str | None) -> Callable[..., Any] | None:
    """The function or class that makes the model; None if the target is an object that exists already."""
    if attr is None:
        made: Any = getattr(module, "build_model", None) or getattr(module, "Model", None)
        return made if callable(made) else None
    value: Any = module
    for part in attr.split("."):
        value = getattr(value, part)
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        return value
    return value if not isinstance(value, torch.nn.Module) and _needs_no_arguments(value) else None


def _takes(function: Callable[..., Any] | None, name: str) -> bool:
    if function is None:
        return False
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return True
    return name in parameters and parameters[name].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.VAR_POSITIONAL,
    )


def _decoding(module: ModuleType, asked: Asked) -> Decoding | None:
    """The hooks, if the module itself defines both."""
    full, incremental = (getattr(module, name, None) for name in ("full", "incremental"))
    if any(getattr(hook, "__module__", None) != module.__name__ for hook in (full, incremental)):
        return None
    assert callable(full) and callable(incremental)
    return Decoding(full, incremental, lambda: next(iter(_given(module, asked))))


def _find(module: ModuleType, attr: str | None, asked: Asked) -> Program:
    if attr is not None:
        return _from_attribute(module, attr, asked)
    if hasattr(module, "build_model") and _has_inputs(module):
        return Program("build_model(), example_inputs()", module.build_model, _inputs_of(module, asked), True)
    if hasattr(module, "Model") and hasattr(module, "get_inputs"):
        arguments = getattr(module, "get_init_inputs", list)
        return Program(
            "Model, get_inputs()",
            lambda **more: _kernelbench(module.Model, arguments(), more),
            _inputs_of(module, asked),
            True,
        )
    missing = _missing(module)
    raise NotATargetError(f"{Path(str(module.__file__)).name} is not a valid target: {missing} missing.")


def _missing(module: ModuleType) -> str:
    if hasattr(module, "build_model") or hasattr(module, "Model"):
        return "example_inputs() (or get_inputs()) is"
    return "build_model() (or class Model) is" if _has_inputs(module) else "build_model() and example_inputs() are"


def _kernelbench(model: Any, arguments: Any, more: Mapping[str, Any]) -> Any:
    args, kwargs = normalise(arguments)
    return model(*args, **{**kwargs, **more})


def _from_attribute(module: ModuleType, attr: str, asked: Asked) -> Program:
    value: Any = module
    for part in attr.split("."):
        if not hasattr(value, part):
            raise NotATargetError(f"{module.__name__} has no attribute {attr!r}.")
        value = getattr(value, part)
    if not _has_inputs(module):
        raise NotATargetError(f"{module.__name__} has {attr!r}, but no example_inputs() to call it with.")
    inputs = _inputs_of(module, asked)
    if isinstance(value, type) and issubclass(value, torch.nn.Module):
        arguments = getattr(module, "get_init_inputs", list)
        return Program(f"class {attr}, its inputs", lambda **more: _kernelbench(value, arguments(), more), inputs, True)
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
    return _input_function(module) is not None


def _input_function(module: ModuleType) -> Callable[..., Any] | None:
    """The function that makes the inputs; None if there is none."""
    return next((getattr(module, name) for name in INPUTS if hasattr(module, name)), None)


def _inputs_of(module: ModuleType, asked: Asked) -> Callable[[], list[Inputs]]:
    def make() -> list[Inputs]:
        return [normalise(one) for one in _given(module, asked)]

    if asked.tokens is not None and not _takes(_input_function(module), "tokens"):
        raise NotATargetError("example_inputs() has no parameter named `tokens`. Add it, or leave out --tokens.")
    return make


def _given(module: ModuleType, asked: Asked) -> Iterable[Any]:
    """The sets of inputs as the target returns them."""
    function = _input_function(module)
    if function is None:
        raise NotATargetError("the target has no inputs: define example_inputs()")
    given = {**asked.arguments, **({} if asked.tokens is None else {"tokens": asked.tokens})}
    made = function(**{key: value for key, value in given.items() if _takes(function, key)})
    return made if hasattr(module, "example_input_sets") else [made]


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
