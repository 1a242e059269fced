"""The formats: one file each, found by name. `NAME_format.py` renders a report and the outcome of `check`,
`parity_NAME.py`, `bench_NAME.py`, `matrix_NAME.py`, `coldstart_NAME.py` and `fix_NAME.py` the results of those commands. Plug-ins add others for reports and for `check`.

`--help` needs their names, so finding them imports nothing that makes a report.
"""

from __future__ import annotations

import pkgutil
import re
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from compile_doctor.clean import clean
from compile_doctor.errors import UsageError
from compile_doctor.plugins import FORMATS, Plugin, PluginError, plugins

if TYPE_CHECKING:
    from compile_doctor.bench.result import Bench
    from compile_doctor.coldstart.result import ColdStart
    from compile_doctor.gate.outcome import Gate
    from compile_doctor.matrix.result import Matrix
    from compile_doctor.mend.result import Mended
    from compile_doctor.parity.result import Parity
    from compile_doctor.report.report import Report

_FIRST = ("text", "json", "markdown", "html", "sarif")
"""Shown before the others."""
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_Found = TypeVar("_Found", contravariant=True)


class Renderer(Protocol[_Found]):
    """`verbosity` is the number of `-v`."""

    def __call__(self, found: _Found, /, verbosity: int = 0, colour: bool = False) -> str: ...


def own_formats(of: str = "report") -> tuple[str, ...]:
    """The formats of compile-doctor itself, for a `report` (and for `check`), for `parity`, `bench`, `matrix` or `fix`."""
    pattern = re.compile(_module(of, "(.+)"))
    found = [match[1] for module in pkgutil.iter_modules(__path__) if (match := pattern.fullmatch(module.name))]
    return tuple(sorted(found, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)))


def formats(of: str = "report") -> tuple[str, ...]:
    """Names for `--format` and `-o FORMAT:PATH`, including those of plug-ins."""
    return (*own_formats(of), *(sorted(_of_plugins()) if of == "report" else ()))


def renderer(name: str) -> Renderer[Report]:
    """The format for a report. Raises UsageError if it is unknown, or a plug-in's that cannot be used."""
    return _function("report", name)


def lacking(name: str, found: Any) -> str:
    """What a format is about and the evidence lacks, as one sentence; empty if nothing, or if the format has no such answer."""
    asked = getattr(import_module(f"{__name__}.{name}_format"), "lacking", None) if name in own_formats() else None
    return asked(found) if asked else ""


def gate_renderer(name: str) -> Renderer[Gate]:
    """The same format for the outcome of `check`."""
    return _function("report", name, "render_gate")


def parity_renderer(name: str) -> Renderer[Parity]:
    return _function("parity", name)


def matrix_renderer(name: str) -> Renderer[Matrix]:
    return _function("matrix", name)


def bench_renderer(name: str) -> Renderer[Bench]:
    return _function("bench", name)


def coldstart_renderer(name: str) -> Renderer[ColdStart]:
    return _function("coldstart", name)


def fix_renderer(name: str) -> Renderer[Mended]:
    return _function("fix", name)


def _module(of: str, name: str) -> str:
    return f"{name}_format" if of == "report" else f"{of}_{name}"


def _of_plugins() -> dict[str, Plugin]:
    """Plug-ins by name. They cannot replace compile-doctor's own formats, whose output readers rely on."""
    own = own_formats()
    return {one.name: one for one in plugins(FORMATS) if _NAME.fullmatch(one.name) and one.name not in own}


def _function(of: str, name: str, function: str = "render") -> Renderer[Any]:
    if name in own_formats(of):
        render: Renderer[Any] = getattr(import_module(f"{__name__}.{_module(of, name)}"), function)
        return render
    plugin = _of_plugins().get(name) if of == "report" else None
    if plugin is None:
        raise UsageError(f"{name!r} is not a known format. Give one of {', '.join(formats(of))}.")
    try:
        made = getattr(plugin.load(), function, None)
        if not callable(made):
            raise plugin.error(f"has no function {function}")
    except PluginError as error:
        raise _unusable(name, error) from error
    return _guarded(name, plugin, made)


def _guarded(name: str, plugin: Plugin, made: Any) -> Renderer[Any]:
    """A plug-in gets strings without control characters, as the own formats do, and its errors name it."""

    @wraps(made)
    def render(subject: Any, verbosity: int = 0, colour: bool = False) -> str:
        try:
            text = made(clean(subject), verbosity, colour)
        except (Exception, SystemExit) as error:  # code of a plug-in may raise anything
            raise _unusable(name, plugin.error(f"failed: {type(error).__name__}: {error}")) from error
        if not isinstance(text, str):
            raise _unusable(name, plugin.error(f"returned a value of type {type(text).__name__}, not text"))
        return text

    return render


def _unusable(name: str, problem: PluginError) -> UsageError:
    return UsageError(f"The format {name!r} cannot be used: {problem}", hint="Update or uninstall that plug-in.")
