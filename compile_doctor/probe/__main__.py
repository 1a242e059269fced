"""The child process: builds the target, runs it under torch.compile, then in eager mode, and records what it sees.

Started by compile_doctor.run.launch with one argument, the path of a JSON file with the settings.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compile_doctor.capture import schema
from compile_doctor.probe.entry.limits import limit_memory
from compile_doctor.probe.entry.numpy_remark import without_numpy_remark
from compile_doctor.probe.observe.events import EventLog

if TYPE_CHECKING:
    from compile_doctor.probe.equality.run import Equality
    from compile_doctor.probe.session import Session


def main(settings_file: str) -> int:
    settings: dict[str, Any] = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    output = os.environ.pop("COMPILE_DOCTOR_OUTPUT", None)
    if output:
        redirect(output)
    settings["inner_backend"] = os.environ.pop("COMPILE_DOCTOR_BACKEND", None)
    log = EventLog(Path(settings["directory"]))
    log.write(
        schema.Start(argv=[settings["target"]], python=sys.version.split()[0], path=[str(one) for one in sys.path])
    )
    if settings.get("memory_limit"):
        limit_memory(log, int(settings["memory_limit"]))
    # The target must not find the doctor's arguments in sys.argv.
    sys.argv = [settings["target"]]
    with without_numpy_remark():
        made = _session(settings, log)
    files = None
    if os.environ.pop("COMPILE_DOCTOR_FILES", None):  # after torch's thousands of files, which do not matter
        from compile_doctor.probe import compat
        from compile_doctor.probe.observe.files import Files

        compat.keep_out_of_graphs("compile_doctor.model.seen_files")  # it is also called while graphs run
        files = Files(Path(settings["directory"]))
        files.install()
    try:
        made.run()
        if files is not None:
            files.write()
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # every exception of the target is evidence; the probe's own must be recorded
        if getattr(error, "__compile_doctor_seen__", False):
            return 0
        from compile_doctor.probe.observe.failures import describe

        log.write(schema.ProbeError(**describe(error)))
        return 70
    return 0


def _session(settings: dict[str, Any], log: EventLog) -> Session | Equality:
    """A diagnosis, or the comparison of `fix`."""
    if settings["run"] == "equality":
        from compile_doctor.probe.equality.run import Equality

        return Equality(settings, log)
    from compile_doctor.probe.session import Session

    return Session(settings, log)


def redirect(output: str) -> None:
    """Appends stdout and stderr to a file, including those of libraries and of further processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    with contextlib.suppress(AttributeError):  # else a killed child loses what stdout has buffered
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
