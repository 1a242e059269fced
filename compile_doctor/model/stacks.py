"""Lines of code on a stack, and exceptions with their stacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from compile_doctor.model.units import Count

RESUMED = re.compile(r"^torch_dynamo_resume_in_(.+)_at_\d+$")


class Frame(NamedTuple):
    """One line of a Python stack; tuples of them have the outermost first. In JSON a list of four values."""

    file: str
    line: Count
    function: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class ErrorLink:
    """One exception of a chain, outermost first."""

    type: str
    message: str
    stack: tuple[Frame, ...]


def function_name(name: str) -> str:
    """The user's name of a function: a resume function is the function that it continues."""
    match = RESUMED.match(name)
    return match[1] if match else name
