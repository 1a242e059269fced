"""Hooks that a module got after it was compiled into a graph: torch has no guard on them, and the graph never calls them."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog

_KINDS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_MOST_CALLS = 200
"""Calls around which the modules are looked at."""
_MOST_MODULES = 5000
_OUTERMOST = "L['self']"
"""The module whose forward is the compiled frame: torch calls its hooks outside of the graph."""
_SCOPE = re.compile(r"^[LG]\['(\w+)'\]")
_CHILD = re.compile(r"\._modules\['(\w+)'\]")
_STEP = re.compile(r"\.(\w+)|\[(?:'([^']*)'|(\d+))\]")


class Hooks:
    """The modules that were traced into graphs, with the hooks that they had then."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._modules: dict[int, tuple[weakref.ref[torch.nn.Module], str, frozenset[tuple[str, int]]]] = {}
        self._reported: set[tuple[int, str, int]] = set()
        self._calls = 0

    def traced(self, output_graph: Any, gm: Any) -> None:
        """A graph was traced. A module that is compiled again has hooks that the new graph knows."""
        paths, scopes = compat.inlined_modules(output_graph, gm)
        for path in sorted(paths - {_OUTERMOST}):
            module = _resolved(path, scopes)
            if isinstance(module, torch.nn.Module) and len(self._modules) < _MOST_MODULES:
                self._modules[id(module)] = (weakref.ref(module), _plain(path), _hooks(module))

    def around(self) -> Callable[[], None]:
        """A hook that is new before a call counts if the call did not trace its module again."""
        self._calls += 1
        if self._calls > _MOST_CALLS or compat.guards_hooks():
            return _nothing
        new = [(key, name) for key in self._modules for name in self._new(key)]
        return (lambda: self._after(new)) if new else _nothing

    def _new(self, key: int) -> frozenset[tuple[str, int]]:
        reference, _, known = self._modules[key]
        module = reference()
        if module is None or not any(getattr(module, kind) for kind in _KINDS):
            return frozenset()
        return _hooks(module) - known

    def _after(self, new: Sequence[tuple[int, tuple[str, int]]]) -> None:
        for key, (kind, number) in new:
            if (kind, number) in self._new(key) and (key, kind, number) not in self._reported:
                self._reported.add((key, kind, number))
                reference, path, _ = self._modules[key]
                module = reference()
                if module is not None:
                    self._log.write(_record(module, path, kind, getattr(module, kind)[number]))


def _nothing() -> None:
    """Nothing to look at after the call."""


def _resolved(path: str, scopes: Mapping[str, Any]) -> Any:
    """What torch's name for a value, `L['self'].layers.0`, stands for; None for another kind of name."""
    value, at = scopes.get(path[:1]), 1
    while value is not None and at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        name, key, index = step.groups()
        try:
            value = getattr(value, name) if name else value[key if index is None else int(index)]
        except Exception:  # of the user's own classes: any
            return None
        at = step.end()
    return value


def _plain(path: str) -> str:
    return _SCOPE.sub(r"\1", _CHILD.sub(r".\1", path))


def _hooks(module: torch.nn.Module) -> frozenset[tuple[str, int]]:
    return frozenset((kind, number) for kind in _KINDS for number in getattr(module, kind))


def _record(module: torch.nn.Module, path: str, kind: str, hook: Any) -> schema.LateHook:
    hook = getattr(hook, "func", hook)
    code = getattr(hook, "__code__", None)
    return schema.LateHook(
        module=path,
        type=type(module).__qualname__,
        kind=kind.strip("_").removesuffix("s"),
        hook=str(getattr(hook, "__qualname__", type(hook).__qualname__)),
        file=code.co_filename if code else "",
        line=code.co_firstlineno if code else 0,
    )
