"""Text for people: the report, and what `check` says."""

from compile_doctor.render.text_gate import render_gate
from compile_doctor.render.text_report import render

__all__ = ["render", "render_gate"]
