"""Evidence and findings → `Report`: the verdict, its reasons, and the exit code.

`make` runs every check and decides the verdict, `proof` has the conditions of HEALTHY, `compare` compares two reports.
"""

from compile_doctor.report.make import Report, exit_code, make_report, relative

__all__ = ["Report", "exit_code", "make_report", "relative"]
