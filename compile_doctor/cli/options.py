"""The options that commands share: declared once, checked when they are read, passed on as one object per kind."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compile_doctor.cli.formats import FormatName, is_format
from compile_doctor.errors import UsageError
from compile_doctor.render import formats

if TYPE_CHECKING:
    from compile_doctor.model.asked import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class CompileOptions:
    """What is compiled, and how; None means torch's default."""

    device: str | None = None
    tokens: int | None = None
    backend: str | None = None
    mode: str | None = None
    dynamic: bool | None = None
    grad: bool | None = None
    numerics: bool = False
    as_is: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOptions:
    """The child process: how often it calls the target, its limits, its recipes, and where the evidence goes."""

    repeat: int | None = None
    capture: Path | None = None
    """The folder in which the evidence is kept; None: nowhere."""
    timeout: float | None = None
    memory: bool = False
    memory_limit: int | None = None
    require_fused: bool = False
    require_cudagraphs: bool = False
    patches: str | None = None
    try_recipes: bool = False


@dataclass(frozen=True)
class OutputOptions:
    """Where the report goes, and how much of it."""

    format: str = "text"
    """What is printed on stdout."""
    files: tuple[tuple[str, Path], ...] = ()
    """(format, path) of each `-o`."""
    fail_on: str = "error"
    verbose: int = 0
    quiet: bool = False


def settings(compiling: CompileOptions, running: RunOptions, **more: Any) -> Settings:
    """Both as the Settings of the child and the capture, with its defaults for what was not given."""
    from compile_doctor.model.asked import Settings  # only here: --help has to be quick

    given = {**vars(compiling), **vars(running), **more}
    return Settings(**{one.name: given[one.name] for one in fields(Settings) if given.get(one.name) is not None})


def gathered(kind: type[Any], parameter: str, *options: Decorator) -> Decorator:
    """Declares `options`, and passes those that are fields of `kind` to the command as one argument, `parameter`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(*arguments: Any, **given: Any) -> Any:
            taken = {one.name: given.pop(one.name) for one in fields(kind) if one.name in given}
            return function(*arguments, **given, **{parameter: kind(**taken)})

        declared: Callable[..., Any] = command
        for option in reversed(options):
            declared = option(declared)
        return declared

    return decorate


class Seconds(click.FloatRange):
    """A positive, finite number of seconds."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0.1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a valid number of seconds. Give a finite one, such as 60.", param, ctx)
        return number


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """`8GB`, `512M` or plain bytes."""
    from compile_doctor.model.sizes import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _arguments(context: click.Context, parameter: click.Parameter, items: tuple[str, ...]) -> dict[str, Any]:
    from compile_doctor.targets.variants import value_of

    found = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(
                f"{item!r} is not NAME=VALUE, with the name of a parameter of the target's function."
            )
        found[name] = value_of(text)
    return found


arguments_option = click.option(
    "--set",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_arguments,
    help="Pass NAME=VALUE to build_model(), or to example_inputs() if that takes it; may be repeated.",
)


device_option = click.option(
    "--device", metavar="NAME", help="Move model and inputs to this device first (cpu, cuda, …)."
)
mode_option = click.option("--mode", metavar="NAME", help="torch.compile's mode (reduce-overhead, max-autotune, …).")
dynamic_option = click.option(
    "--dynamic/--no-dynamic", default=None, help="torch.compile's dynamic= [let torch decide]."
)
grad_option = click.option(
    "--grad", is_flag=True, help="Run forward and backward; without it, forward under torch.no_grad()."
)
as_is_option = click.option(
    "--as-is", is_flag=True, help="Do not compile the target, because it calls torch.compile itself."
)
repeat_option = click.option(
    "--repeat",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Number of calls, if the target has one set of inputs.",
)


def timeout_option(help_text: str) -> Decorator:
    return click.option(
        "--timeout", type=Seconds(), default=900.0, show_default=True, metavar="SECONDS", help=help_text
    )


def memory_limit_option(help_text: str) -> Decorator:
    return click.option("--memory-limit", metavar="SIZE", callback=_size, help=help_text)


def capture_option(help_text: str = "Keep the evidence in this folder, for `report`.") -> Decorator:
    return click.option("--capture", type=click.Path(path_type=Path), metavar="DIR", help=help_text)


def check_patches(text: str | None) -> str | None:
    """`auto` and known ids, separated by commas, or None. Raises UsageError, naming similar ones, for an unknown id."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if [name.lower() for name in names] in ([], ["none"]):
        return None
    if len(names) == 1 and names[0].lower() == "auto" and not os.environ.get("COMPILE_DOCTOR_RECIPES"):
        return "auto"  # nothing to look up: the shipped recipes are read when they are applied
    from compile_doctor.recipes.catalogue import all_recipes, find_recipe

    all_recipes()
    return ",".join("auto" if name.lower() == "auto" else find_recipe(name).id for name in names)


patches_option = click.option(
    "--patches",
    metavar="auto|ID,…",
    envvar="COMPILE_DOCTOR_PATCHES",
    callback=lambda _context, _parameter, text: check_patches(text),
    help="Apply these recipes first; `compile-doctor patches list` shows them.",
)


def format_option(names: tuple[str, ...] = ("text", "json"), help_text: str | None = None) -> Decorator:
    """`--format`; without `names` the formats of a report, including those of plug-ins."""
    kind = click.Choice(names) if names else FormatName()
    return click.option("--format", type=kind, default="text", show_default=True, help=help_text)


def files_option(names: tuple[str, ...], help_text: str) -> Decorator:
    """`-o FORMAT:PATH`, split and checked before anything runs; without `names` the formats of a report."""

    def split(_context: click.Context, _parameter: click.Parameter, items: tuple[str, ...]) -> Any:
        return tuple(_format_and_path(item, names) for item in items)

    return click.option("-o", "--output", "files", multiple=True, metavar="FORMAT:PATH", callback=split, help=help_text)


def _format_and_path(item: str, names: tuple[str, ...]) -> tuple[str, Path]:
    name, colon, path = item.partition(":")
    if not colon or not path or not (name in names if names else is_format(name)):
        raise UsageError(f"-o {item}: give FORMAT:PATH, with FORMAT one of {', '.join(names or formats())}.")
    if not Path(path).resolve().parent.is_dir():
        raise UsageError(f"-o {item}: {Path(path).resolve().parent} is not a directory. Create it first.")
    return name, Path(path)


fail_on_option = click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="Exit 1 if there is a finding of at least this severity.",
)
report_options = gathered(
    OutputOptions,
    "output",
    format_option((), "What to print on stdout."),
    files_option((), "Also write the report to a file; may be repeated."),
    fail_on_option,
    click.option(
        "-v", "--verbose", count=True, help="Show all findings, their evidence, and what could not be checked."
    ),
    click.option(
        "-q", "--quiet", is_flag=True, help="No progress on stderr; print the report only if something fails."
    ),
)
"""--format, -o, --fail-on, -v and -q of the commands that make a report."""
