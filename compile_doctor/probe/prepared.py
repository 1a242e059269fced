"""What the settings ask for: the program of a target, its model, its inputs, and how they are compiled and called."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.utils._pytree import tree_map

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.calls import (
    backward,
    has_device,
    seed,
)
from compile_doctor.probe.load import Asked, Inputs, NotATargetError, Program, find_program, import_file
from compile_doctor.probe.numerics.record import forget_gradients
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.regions import repeated_blocks


class Prepared:
    """Finds, builds, places, compiles and calls; `asked.Settings` has the fields of `settings`."""

    def __init__(self, settings: dict[str, Any], log: EventLog) -> None:
        self.settings = settings
        self.log = log

    def module(self) -> ModuleType:
        """Imports the target's file or module."""
        if self.settings.get("inner_backend"):  # before the target: a decorator compiles while it is imported
            compat.compile_by_default(self.settings["inner_backend"])
        search = self.settings.get("search") or []
        sys.path[:0] = search
        if self.settings.get("path"):
            return import_file(Path(self.settings["path"]))
        sys.path.insert(len(search), os.getcwd())
        return importlib.import_module(self.settings["module"])

    def program(self, module: ModuleType) -> Program | None:
        """What is diagnosed; None, and an event that says why, if the module has nothing to diagnose."""
        try:
            asked = Asked(self.settings.get("tokens"), self.settings.get("arguments") or {})
            return find_program(module, self.settings.get("attr"), asked)
        except NotATargetError as error:
            self.log.write(schema.NotATarget(message=str(error)))
            return None

    def build(self, program: Program) -> Any:
        """The model on the requested device, from the same random numbers each time. Raises TypeError if it cannot be called."""
        seed()
        model = program.build()
        if not callable(model):
            raise TypeError(f"the target returned a {type(model).__name__}, which cannot be called")
        device = self.settings.get("device")
        if device and isinstance(model, torch.nn.Module):
            model = model.to(device)
        return model

    def inputs(self, program: Program) -> list[Inputs]:
        """The inputs of each call, on the requested device. Raises ValueError if there are none."""
        seed()
        sets = program.input_sets()
        if not sets:
            raise ValueError("the target returned no inputs")
        sets = [self.place(one) for one in sets]
        # One set runs twice: a counter, or a function that each call makes, shows only at the second call.
        return sets * int(self.settings.get("repeat") or 2) if len(sets) == 1 else sets

    def place(self, inputs: Any) -> Any:
        """Nested inputs, moved to the requested device."""
        device = self.settings.get("device")
        return tree_map(lambda leaf: leaf.to(device) if device and has_device(leaf) else leaf, inputs)

    def options(self) -> dict[str, Any]:
        """The options of torch.compile that were requested."""
        return {key: self.settings[key] for key in ("backend", "mode", "dynamic") if self.settings.get(key) is not None}

    def compile(self, model: Any, options: dict[str, Any]) -> Any:
        """Calls torch.compile. A backend or mode that it does not know is recorded as a usage error, not as the model's."""
        try:
            blocks = repeated_blocks(model) if self.settings.get("regional") else []
            for block in blocks:
                block.compile(**options)
            return model if blocks else torch.compile(model, **options)
        except Exception as error:
            if type(error).__name__ == "InvalidBackend" or isinstance(error, (RuntimeError, ValueError, TypeError)):
                self.log.write(schema.Usage(message=str(error).strip().split("\n", 1)[0]))
            raise

    def call(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward and backward under --grad, else forward without gradients."""
        compat.begin_step()
        if self.settings.get("grad"):
            forget_gradients(model, args, kwargs)
            output = model(*args, **kwargs)
            backward(output)
            return output
        with torch.no_grad():
            return model(*args, **kwargs)

    def runs_as_it_is(self, model: Any) -> bool:
        """Whether a model is not compiled as a whole: asked for, or because it, or a part of it, is compiled already."""
        asked = self.settings.get("as_is") or compat.compiled_parts(model)
        return bool(asked) or compat.is_compiled(model) or compat.keeps_out(model)
