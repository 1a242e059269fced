"""What the main thread assigns to one of torch's configurations becomes the default of the other threads."""

from __future__ import annotations

import sys
import threading
import unittest.mock
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType, FunctionType

import torch.utils._config_module as config_module

from compile_doctor.recipes.changes import forget_hashes

_HERE = (__file__, config_module.__file__)
_MIRRORED: dict[tuple[config_module.ConfigModule, str], tuple[config_module._ConfigEntry, str, object, object]] = {}
"""{(configuration, name): (entry, field, the value before, our value)}."""
_patched: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("compile_doctor_patched", default=())
"""The settings that this context has changed with `config.patch`: they apply only to it."""
_lock = threading.Lock()


def assign(
    original: Callable[[config_module.ConfigModule, str, object], None],
) -> Callable[[config_module.ConfigModule, str, object], None]:
    def and_for_other_threads(self: config_module.ConfigModule, name: str, value: object) -> None:
        original(self, name, value)
        if name in type(self)._bypass_keys:
            return
        scope = _scope(sys._getframe(1))
        key = (self.__name__, name)
        if scope == "__enter__":
            _patched.set((*_patched.get(), key))
        elif scope == "__exit__":
            inside = list(_patched.get())
            if key in inside:
                inside.remove(key)
            _patched.set(tuple(inside))
        elif not scope and key not in _patched.get():
            _mirror(self, name, value)

    return and_for_other_threads


def _scope(frame: FrameType | None) -> str:
    """Whether an assignment is temporary: `__enter__` or `__exit__` of config.patch, or of unittest.mock; empty if not."""
    while frame is not None and frame.f_code.co_filename in _HERE:
        if frame.f_code.co_name in ("__enter__", "__exit__"):
            return frame.f_code.co_name
        frame = frame.f_back
    return "mock" if frame is not None and frame.f_code.co_filename == unittest.mock.__file__ else ""


def _mirror(config: config_module.ConfigModule, name: str, value: object) -> None:
    entry = config._config[name]
    # Other objects, such as a pass with a state, cannot be copied for each thread, as torch does with defaults.
    if entry.alias is not None or not isinstance(value, (*config_module.CONFIG_TYPES, FunctionType)):
        return
    if threading.current_thread() is not threading.main_thread():
        return
    # A default from the environment is read before the plain default, but what was assigned wins over both.
    field = "default" if entry.env_value_default is config_module._UNSET_SENTINEL else "env_value_default"
    with _lock:
        before = _MIRRORED.get((config, name), (entry, field, getattr(entry, field), None))[2]
        value = config_module.copy.deepcopy(value)
        setattr(entry, field, value)
        _MIRRORED[config, name] = (entry, field, before, value)
    forget_hashes(config)


class SetBefore:
    """Mirrors what was assigned before the recipe was applied, and reverts everything that it has mirrored."""

    def __init__(self) -> None:
        self.added = False

    def present(self) -> bool:
        return self.added

    def add(self) -> None:
        self.added = True
        for module in list(sys.modules.values()):
            if isinstance(module, config_module.ConfigModule):
                for name, entry in module._config.items():
                    value = entry.user_override.get()
                    # It also contains lists and dicts that were only read, as copies of the defaults.
                    if value is not config_module._UNSET_SENTINEL and value != entry.default:
                        _mirror(module, name, value)

    def remove(self) -> None:
        self.added = False
        for (config, _), (entry, field, before, ours) in _MIRRORED.items():
            if getattr(entry, field) is ours:
                setattr(entry, field, before)
            forget_hashes(config)
        _MIRRORED.clear()
