"""When compile-doctor itself fails: a file to attach to an issue, and one line with its path."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback

import compile_doctor
from compile_doctor.clean import clean, say

ISSUES = "https://github.com/compile-doctor/compile-doctor/issues"


def report_crash(error: Exception) -> None:
    """Writes the traceback to a temporary file and prints the path of the file, not the traceback."""
    text = "".join(traceback.format_exception(error))
    head = f"compile-doctor {compile_doctor.__version__}, Python {platform.python_version()}, {platform.platform()}\n{' '.join(sys.argv)}\n\n"
    say(f"compile-doctor: this is a defect of compile-doctor itself ({type(error).__name__}: {error}).")
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="compile-doctor-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(clean(head + text))
        say(f"Report it with the file {file.name} at {ISSUES}")
    except OSError:
        say(f"Report it at {ISSUES}")
