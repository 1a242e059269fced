"""The formats: one file each, found by name; each defines `render(report, verbosity) -> str`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Protocol

from compile_doctor.errors import UsageError
from compile_doctor.gate.outcome import Gate
from compile_doctor.report.make import Report


class Renderer(Protocol):
    def __call__(self, report: Report, verbosity: int = 0, colour: bool = False) -> str: ...


def formats() -> tuple[str, ...]:
    """Names for `--format` and `-o FORMAT:PATH`."""
    return tuple(
        sorted(
            module.name.removesuffix("_format")
            for module in pkgutil.iter_modules(__path__)
            if module.name.endswith("_format")
        )
    )


class GateRenderer(Protocol):
    def __call__(self, gate: Gate, verbosity: int = 0, colour: bool = False) -> str: ...


def gate_renderer(name: str) -> GateRenderer:
    """The same format for the outcome of `check`. Raises UsageError for an unknown one."""
    if name not in formats():
        raise UsageError(f"There is no format {name!r}: {', '.join(formats())}.")
    render: GateRenderer = import_module(f"{__name__}.{name}_format").render_gate
    return render


def renderer(name: str) -> Renderer:
    render: Renderer = import_module(f"{__name__}.{name}_format").render
    return render
