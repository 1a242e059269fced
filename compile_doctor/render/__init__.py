"""The formats: one file each, found by name; each defines `render` and `render_gate`. Plug-ins bring others.

Their names are asked for by `--help`: nothing that makes a report is imported for them.
"""

from __future__ import annotations

import pkgutil
import re
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from compile_doctor.clean import clean
from compile_doctor.errors import UsageError
from compile_doctor.plugins import FORMATS, Plugin, PluginError, plugins

if TYPE_CHECKING:
    from compile_doctor.gate.outcome import Gate
    from compile_doctor.report.make import Report

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Renderer(Protocol):
    def __call__(self, report: Report, verbosity: int = 0, colour: bool = False) -> str: ...


class GateRenderer(Protocol):
    def __call__(self, gate: Gate, verbosity: int = 0, colour: bool = False) -> str: ...


def own_formats() -> tuple[str, ...]:
    """Those that compile-doctor brings."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.removesuffix("_format") for name in names if name.endswith("_format")))


def formats() -> tuple[str, ...]:
    """Names for `--format` and `-o FORMAT:PATH`."""
    return (*own_formats(), *sorted(_of_plugins()))


def renderer(name: str) -> Renderer:
    """The format for a report. Raises UsageError for an unknown one, and for a plug-in's that cannot be used."""
    found: Renderer = _function(name, "render")
    return found


def gate_renderer(name: str) -> GateRenderer:
    """The same format for the outcome of `check`."""
    found: GateRenderer = _function(name, "render_gate")
    return found


def _of_plugins() -> dict[str, Plugin]:
    """By name. One of ours cannot be replaced: whoever reads a report knows what it is."""
    own = own_formats()
    return {one.name: one for one in plugins(FORMATS) if _NAME.fullmatch(one.name) and one.name not in own}


def _function(name: str, function: str) -> Any:
    if name in own_formats():
        return getattr(import_module(f"{__name__}.{name}_format"), function)
    plugin = _of_plugins().get(name)
    if plugin is None:
        raise UsageError(f"There is no format {name!r}: {', '.join(formats())}.")
    try:
        made = getattr(plugin.load(), function, None)
        if not callable(made):
            raise plugin.error(f"has no function {function}")
    except PluginError as error:
        raise _unusable(name, error) from error
    return _guarded(name, plugin, made)


def _guarded(name: str, plugin: Plugin, made: Any) -> Any:
    """A plug-in gets strings without control characters, as our own formats do, and what it raises is named."""

    @wraps(made)
    def render(subject: Any, verbosity: int = 0, colour: bool = False) -> str:
        try:
            text = made(clean(subject), verbosity, colour)
        except (Exception, SystemExit) as error:  # other people's code
            raise _unusable(name, plugin.error(f"failed: {type(error).__name__}: {error}")) from error
        if not isinstance(text, str):
            raise _unusable(name, plugin.error(f"returned a value of type {type(text).__name__}, not text"))
        return text

    return render


def _unusable(name: str, problem: PluginError) -> UsageError:
    return UsageError(f"The format {name!r} cannot be used: {problem}", hint="Update or uninstall that plug-in.")
