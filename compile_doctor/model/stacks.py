"""Lines of code on a stack, and exceptions with theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from compile_doctor.model.units import Count


class Frame(NamedTuple):
    """One line of a Python stack, outermost first in the tuples that hold it; in JSON a list of four."""

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
