"""The formats: one file each, found by name; each defines `render(report, verbosity) -> str`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Protocol

from compile_doctor.report import Report


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


def renderer(name: str) -> Renderer:
    render: Renderer = import_module(f"{__name__}.{name}_format").render
    return render
