"""The formats: one file each, found by name. `NAME_format.py` renders a report and the outcome of `check`, `parity_NAME.py`
and `bench_NAME.py` what those commands found."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from compile_doctor.errors import UsageError

if TYPE_CHECKING:  # `--help` asks for the names: nothing heavy is imported for it
    from compile_doctor.bench.result import Bench
    from compile_doctor.gate.outcome import Gate
    from compile_doctor.parity.result import Parity
    from compile_doctor.report.make import Report

_FIRST = ("text", "json", "markdown", "sarif")
"""Shown before the others."""
_Found = TypeVar("_Found", contravariant=True)


class Renderer(Protocol[_Found]):
    """`verbosity` is the number of `-v`."""

    def __call__(self, found: _Found, /, verbosity: int = 0, colour: bool = False) -> str: ...


def formats(of: str = "report") -> tuple[str, ...]:
    """Names for `--format` and `-o FORMAT:PATH`, of a `report` (and of `check`), of `parity` or of `bench`."""
    pattern = re.compile(_module(of, "(.+)"))
    found = [match[1] for module in pkgutil.iter_modules(__path__) if (match := pattern.fullmatch(module.name))]
    return tuple(sorted(found, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)))


def renderer(name: str) -> Renderer[Report]:
    return _function("report", name)


def gate_renderer(name: str) -> Renderer[Gate]:
    """The same format for the outcome of `check`."""
    return _function("report", name, "render_gate")


def parity_renderer(name: str) -> Renderer[Parity]:
    return _function("parity", name)


def bench_renderer(name: str) -> Renderer[Bench]:
    return _function("bench", name)


def _module(of: str, name: str) -> str:
    return f"{name}_format" if of == "report" else f"{of}_{name}"


def _function(of: str, name: str, function: str = "render") -> Renderer[Any]:
    """Raises UsageError for an unknown format."""
    if name not in formats(of):
        raise UsageError(f"There is no format {name!r}: {', '.join(formats(of))}.")
    render: Renderer[Any] = getattr(import_module(f"{__name__}.{_module(of, name)}"), function)
    return render
