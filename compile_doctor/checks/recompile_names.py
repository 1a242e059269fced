"""The user's own name of what varies, its value, and what the line that reads it does with it."""

from __future__ import annotations

import ast
import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.source import uses
from compile_doctor.source.writes import last_name


def identifier(group: Recompiled) -> str:
    return last_name(re.sub(r"(?:\[\d+\])+$", "", group.guard.source)) or group.guard.source.split(".", 1)[0]


def _read(group: Recompiled) -> tuple[str, int]:
    return group.file, group.line


def role_of(seen: AnalysisContext, group: Recompiled) -> str:
    return uses.role(seen.evidence.sources, *_read(group), identifier(group))


def literal(text: str | None) -> object:
    try:
        return ast.literal_eval(text or "None")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
