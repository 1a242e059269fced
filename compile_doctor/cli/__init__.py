"""The command line: one thin file per command. Nothing here, or imported here, imports torch."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

import compile_doctor
from compile_doctor.clean import say
from compile_doctor.errors import DoctorError

COMMANDS = (
    "diagnose",
    "run",
    "report",
    "fix",
    "parity",
    "bench",
    "matrix",
    "coldstart",
    "check",
    "baseline",
    "patches",
    "explain",
    "env",
    "examples",
)


SURROUNDINGS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
"""Errors of the machine (disk full, too many open files, no memory), which are not defects of compile-doctor."""
_received: list[int] = []
"""Signals that asked compile-doctor to end."""


class Commands(click.Group):
    """Imports a command's file only when the command is called: `--help` has to be quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches  # only here: --help has to be quick

        near = get_close_matches(args[0], COMMANDS, 1) if args and args[0] not in COMMANDS else []
        if near:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"compile_doctor.cli.{cmd_name}").command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(compile_doctor.__version__, prog_name="compile-doctor")
def group() -> None:
    """What went wrong under torch.compile, where, why, and what to change.

    \b
    Start here:  compile-doctor diagnose model.py
                 compile-doctor diagnose example:four-breaks
    """


def main(arguments: list[str] | None = None) -> None:
    """The one error boundary: an error of the user becomes a message, a defect of compile-doctor asks for a report."""
    _open_streams()
    _received.clear()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        with contextlib.suppress(ValueError):  # only the main thread can set a handler, and only it needs one
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, _stop)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in latin-1 gets a ? instead of nothing at all
    try:
        code: Any = group.main(args=arguments, prog_name="compile-doctor", standalone_mode=False)
        _exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        _exit(130)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)  # type: ignore[arg-type]  # it only calls write()
        say(shown.getvalue(), end="")
        _exit(2)
    except DoctorError as error:
        _refused(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _exit(0)
    except KeyboardInterrupt:
        _exit(130)
    except OSError as error:
        if error.errno not in SURROUNDINGS:
            _crashed(error)
        named = f"{error.filename}: " if error.filename else ""
        say(f"compile-doctor: {named}{error.strerror}. There is no report of what was seen until then.")
        _exit(3)
    except ImportError as error:
        from compile_doctor.cli.installation import missing_package  # only here: --help has to be quick

        missing = missing_package(error)
        if missing is None:
            _crashed(error)
        _refused(missing)
    except Exception as error:  # a defect of compile-doctor: no traceback, but a file to report it with
        _crashed(error)


def _refused(error: DoctorError) -> NoReturn:
    say(f"compile-doctor: {error}")
    if error.hint:
        say(error.hint.rstrip())
    _exit(error.exit_code)


def _crashed(error: Exception) -> NoReturn:
    from compile_doctor.cli.crash import report_crash

    report_crash(error)
    _exit(3)


def _exit(code: int) -> NoReturn:
    """Exits. Output that cannot be written (closed pipe, full disk) is dropped, or Python would try again at exit."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    sys.exit(128 + _received[0] if _received else code)


def _stop(number: int, frame: object) -> NoReturn:
    """Acts as Ctrl-C, so that children are ended and folders removed; the exit code shows which signal it was."""
    _received.append(number)
    raise KeyboardInterrupt


def _open_streams() -> None:
    """Opens closed streams: else the next file would get the stream's number, and a child would write into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
