"""Evidence and findings → `Report`: the verdict, what it rests on, and the exit code.

`make` runs every check and sums up, `proof` says what HEALTHY takes, `compare` sets two reports side by side.
"""

from compile_doctor.report.make import Report, exit_code, make_report, relative

__all__ = ["Report", "exit_code", "make_report", "relative"]
