"""Writing reports and answers, for every command."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from compile_doctor.clean import clean, say, without_commands
from compile_doctor.errors import InconclusiveError, UsageError

if TYPE_CHECKING:
    from compile_doctor.cli.options import OutputOptions
    from compile_doctor.model.evidence import Evidence
    from compile_doctor.render import Renderer
    from compile_doctor.report.report import Report

_Found = TypeVar("_Found")


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


def finish(evidence: Evidence, output: OutputOptions, show: Callable[[], None] | None = None) -> int:
    """Makes the report, writes it to every requested output, and returns the exit code."""
    from compile_doctor.report.make import make_report

    return write_report(make_report(evidence), output, show)


def write_report(report: Report, output: OutputOptions, show: Callable[[], None] | None = None) -> int:
    """Writes a report to every requested output, and returns the exit code.

    `show` shows what the target has printed: it is called if the target, or its compiled run, failed.
    """
    from compile_doctor.cli.last_report import keep
    from compile_doctor.render import renderer
    from compile_doctor.report.verdict import exit_code

    report = replace(report, recallable=keep(report))
    code = exit_code(report, output.fail_on)
    if show and (report.verdict == "inconclusive" or any(one.facts.stops for one in report.findings)):
        show()
    write(report, renderer, output, failed=code != 0)
    if report.command_exit:
        return report.command_exit if report.command_exit > 0 else 128 - report.command_exit
    return code


def write(found: _Found, renderer: Callable[[str], Renderer[_Found]], output: OutputOptions, failed: bool) -> None:
    """Writes to files, to the step summary of GitHub Actions, and to stdout (with `-q` only if it `failed`).

    Raises InconclusiveError, after all is written, if nothing failed and what an output is about was not recorded.
    """
    from compile_doctor.render import lacking

    for name, path in output.files:
        write_file(f"-o {name}:{path}", path, renderer(name)(found, max(output.verbose, 1)))
    github = output.format == "github"
    if github:
        write_summary(lambda: renderer("markdown")(found, max(output.verbose, 1)))
    if output.format != "text" or not output.quiet or failed:
        print_data(lambda colour: renderer(output.format)(found, output.verbose, colour), github)
    missing = {name: lacking(name, found) for name in (output.format, *(name for name, _ in output.files))}
    told = [f"{name}: {why}." for name, why in missing.items() if why]
    if told and not failed:
        raise InconclusiveError(told[0])
    if told:  # the exit code is that of what failed
        say(f"compile-doctor: {told[0]}")


def write_file(option: str, path: Path, text: str) -> None:
    """Raises UsageError, naming the option, if the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}.") from error


def answer(found: Any) -> None:
    """Prints the result of a command without a report to stdout: text unchanged, anything else as JSON."""
    text = found if isinstance(found, str) else json.dumps(clean(found), indent=2)
    say(text.removesuffix("\n"), error=False)


def print_data(render: Callable[[bool], str], commands: bool = False) -> None:
    """Writes `render(colour)` to stdout, in colour on a terminal. Raises UsageError if stdout cannot be written.

    `commands`: the text contains workflow commands for the runner of GitHub Actions.
    """
    colour = (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
    try:
        text = render(colour)  # clean already: see `cleaned`
        sys.stdout.write(text if commands else without_commands(text))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head`. The exit code stays that of the verdict
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        raise UsageError(f"The report cannot be written to stdout: {error.strerror}.") from error


def write_summary(markdown: Callable[[], str]) -> None:
    """Adds all findings to the step summary, because GitHub Actions shows only ten annotations per step."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        try:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(markdown())
        except OSError as error:
            raise UsageError(f"GITHUB_STEP_SUMMARY={path}: {error.strerror}.") from error
