"""Lines of code on a stack, and exceptions with their stacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from compile_doctor.model.units import Count


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
