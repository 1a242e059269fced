"""The function of a compilation as its user knows it: its qualified name, at the line of its `def`."""

from __future__ import annotations

from collections.abc import Mapping

from compile_doctor.model.compilations import Compilation
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations


def function_of(sources: Mapping[str, str], one: Compilation) -> Frame:
    """Python counts a function from its first decorator. A function that resumes behind a break has the line of that."""
    name = function_name(one.function)
    resumes = name != one.function
    line = one.line if resumes else locations.definition_line(sources, one.file, one.line, name)
    function = locations.qualified(sources, one.file, one.line, name)
    return Frame(one.file, line, function, locations.snippet(sources, one.file, line))
