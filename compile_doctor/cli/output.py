"""The options and the writing that every command with a report shares."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compile_doctor.clean import clean, say, without_commands
from compile_doctor.cli.formats import FormatName, is_format
from compile_doctor.errors import UsageError
from compile_doctor.render import formats

if TYPE_CHECKING:
    from compile_doctor.report.make import Report


class Seconds(click.FloatRange):
    """A positive, finite number of seconds."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0.1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return number


patches_option = click.option(
    "--patches",
    metavar="auto|ID,…",
    envvar="COMPILE_DOCTOR_PATCHES",
    callback=lambda _context, _parameter, text: check_patches(text),
    help="Apply these recipes first; `compile-doctor patches list` has them.",
)


def check_patches(text: str | None) -> str | None:
    """`auto`, ids that there are, both with commas between, or None. Raises UsageError for an unknown recipe, naming near ones."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if [name.lower() for name in names] in ([], ["none"]):
        return None
    if len(names) == 1 and names[0].lower() == "auto" and not os.environ.get("COMPILE_DOCTOR_RECIPES"):
        return "auto"  # nothing to look up: the shipped recipes are read where they are applied
    from compile_doctor.recipes.catalogue import all_recipes, find_recipe

    all_recipes()
    return ",".join("auto" if name.lower() == "auto" else find_recipe(name).id for name in names)


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--format, -o, --fail-on, -v and -q."""
    for option in (
        click.option(
            "-q", "--quiet", is_flag=True, help="No progress on stderr; print the report only where something fails."
        ),
        click.option("-v", "--verbose", count=True, help="All findings, what was seen, and what could not be checked."),
        click.option(
            "--fail-on",
            type=click.Choice(["error", "warning", "never"]),
            default="error",
            show_default=True,
            help="Exit 1 at this severity.",
        ),
        click.option(
            "-o",
            "--output",
            multiple=True,
            metavar="FORMAT:PATH",
            help="Also write the report to a file; may be repeated.",
        ),
        click.option(
            "--format",
            "format_",
            type=FormatName(),
            default="text",
            show_default=True,
            help="What to print on stdout.",
        ),
    ):
        function = option(function)
    return function


def prepare() -> None:
    """Loads what the report needs while the target runs, so that it is ready when the target is."""

    def load() -> None:
        from compile_doctor.analysis.graph_breaks.causes import causes
        from compile_doctor.checks import all_checks
        from compile_doctor.render import own_formats, renderer

        causes()
        all_checks()
        for name in own_formats():
            renderer(name)

    threading.Thread(target=load, daemon=True).start()


def check_outputs(output: tuple[str, ...], names: Sequence[str] = ()) -> list[tuple[str, Path]]:
    """Splits FORMAT:PATH, with one of `names`, or a report's format; raises UsageError before anything runs."""
    found = []
    for item in output:
        name, colon, path = item.partition(":")
        if not colon or not path or not (name in names if names else is_format(name)):
            raise UsageError(f"-o {item}: give FORMAT:PATH, with FORMAT one of {', '.join(names or formats())}.")
        if not Path(path).resolve().parent.is_dir():
            raise UsageError(f"-o {item}: {Path(path).resolve().parent} is no directory.")
        found.append((name, Path(path)))
    return found


def finish(evidence: Any, format_: str, output: tuple[str, ...], fail_on: str, verbose: int, quiet: bool) -> int:
    """Makes the report, writes it everywhere it was asked for, and returns the exit code."""
    from compile_doctor.report.make import make_report

    return write_report(make_report(evidence), format_, output, fail_on, verbose, quiet)


def write_report(report: Report, format_: str, output: tuple[str, ...], fail_on: str, verbose: int, quiet: bool) -> int:
    """Writes a report everywhere it was asked for, and returns the exit code."""
    from compile_doctor.render import renderer
    from compile_doctor.report.make import exit_code

    code = exit_code(report, fail_on)
    for name, path in check_outputs(output):
        write_file(f"-o {name}:{path}", path, renderer(name)(report, max(verbose, 1)))
    write_summary(format_, lambda: renderer("markdown")(report, max(verbose, 1)))
    if format_ != "text" or not quiet or code:
        print_data(lambda colour: renderer(format_)(report, verbose, colour), format_ == "github")
    if report.command_exit:
        return report.command_exit if report.command_exit > 0 else 128 - report.command_exit
    return code


def write_file(option: str, path: Path, text: str) -> None:
    """Raises UsageError, naming the option, where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}.") from error


def answer(found: Any) -> None:
    """What a command without a report says, on stdout: text as it is, anything else as JSON."""
    text = found if isinstance(found, str) else json.dumps(clean(found), indent=2)
    say(text.removesuffix("\n"), error=False)


def print_data(render: Callable[[bool], str], commands: bool = False) -> None:
    """Writes `render(colour)` to stdout, in colour on a terminal. Raises UsageError if stdout takes nothing.

    `commands`: it is meant for the runner of GitHub Actions.
    """
    colour = (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
    try:
        text = render(colour)  # clean already: see `cleaned`
        sys.stdout.write(text if commands else without_commands(text))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it had enough: `| head`. The exit code stays that of the verdict
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        raise UsageError(f"The report cannot be written to stdout: {error.strerror}.") from error


def write_summary(format_: str, markdown: Callable[[], str]) -> None:
    """In a step of GitHub Actions ten annotations are shown: the whole goes into the step's summary."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path and format_ == "github":
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(markdown())
        except OSError as error:
            raise UsageError(f"GITHUB_STEP_SUMMARY={path}: {error.strerror}.") from error
