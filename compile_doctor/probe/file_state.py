"""The state that a target keeps at the top of its file: counters, caches, flags. The eager run begins with it as the compiled run did."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_CONTAINERS = (dict, list, set)
_LARGEST = 1_000_000
"""Elements, those of tensors included, of what is copied; a data set at the top of a file is not."""


class FileState:
    """What the names of a module stood for when this was made; objects that are neither plain, containers nor tensors stay."""

    def __init__(self, module: ModuleType) -> None:
        self._names = vars(module)
        self._known = frozenset(self._names)
        self._before = {name: _copy(value) for name, value in self._names.items() if _is_kept(name, value)}

    def restore(self) -> None:
        """Gives each name its value again; lists, dicts and sets stay the same objects."""
        new = [name for name, value in self._names.items() if name not in self._known and _is_kept(name, value)]
        for name in new:
            del self._names[name]
        for name, before in self._before.items():
            now = self._names.get(name)
            if type(now) is type(before) and isinstance(now, _CONTAINERS):
                _refill(now, _copy(before))
            else:
                self._names[name] = _copy(before)


def _is_kept(name: str, value: Any) -> bool:
    known = type(value) in (*_PLAIN, *_CONTAINERS) or _is_plain_tensor(value)
    return known and not name.startswith("__") and _elements(value, _LARGEST) <= _LARGEST


def _is_plain_tensor(value: Any) -> bool:
    return type(value) is torch.Tensor and value.is_leaf


def _elements(value: Any, limit: int, depth: int = 20) -> int:
    """Counts no further than the limit; what is nested deeper counts as too much."""
    if not depth:
        return limit + 1
    if _is_plain_tensor(value):
        return int(value.numel())
    if type(value) not in _CONTAINERS:
        return 1
    found = len(value)
    for one in value.values() if type(value) is dict else value:
        if found > limit:
            break
        found += _elements(one, limit - found, depth - 1) if type(one) in _CONTAINERS or _is_plain_tensor(one) else 0
    return found


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(one) for key, one in value.items()}
    if type(value) is list:
        return [_copy(one) for one in value]
    if type(value) is set:
        return set(value)
    if _is_plain_tensor(value):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


def _refill(container: Any, values: Any) -> None:
    container.clear()
    if isinstance(container, list):
        container.extend(values)
    else:
        container.update(values)
