"""Evidence and findings → `Report`: the verdict, its reasons, and the exit code.

`make` runs every check and makes the report, `verdict` decides, `proof` has the conditions of HEALTHY, `compare` compares two reports.
"""

from compile_doctor.report.make import make_report
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report
from compile_doctor.report.verdict import exit_code

__all__ = ["Report", "exit_code", "make_report", "relative"]
