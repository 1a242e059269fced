"""The tensors that a function was seen to read, over all its compilations: what its source alone does not show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compile_doctor.model.compilations import Given
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext


def inputs_at(seen: AnalysisContext, place: Frame) -> tuple[Given, ...]:
    """Those of the function around a line, with one dtype and number of dimensions in all calls."""
    if place.function.startswith("<"):  # a comprehension or a lambda, in the function that has its names
        name = locations.enclosing(seen.evidence.sources, place.file, place.line).rpartition(".")[2]
        place = Frame(place.file, place.line, name)
    early: dict[str, Given | None] = {}
    late: dict[str, Given | None] = {}
    for compilation in seen.evidence.compilations:
        if compilation.inputs and seen.same_function(compilation, place):
            resumed = function_name(compilation.function) != compilation.function
            for given in compilation.inputs:
                into = late if resumed and "." not in given.name else early
                into[given.name] = _both(into.get(given.name, given), given)
    behind = {name: replace(given, late=True) for name, given in late.items() if given is not None}
    return tuple(given for given in {**behind, **early}.values() if given is not None)


def _both(one: Given | None, other: Given) -> Given | None:
    if one is None or (one.dtype, len(one.shape)) != (other.dtype, len(other.shape)):
        return None
    shape = tuple(a if a == b else -1 for a, b in zip(one.shape, other.shape, strict=True))
    return replace(other, shape=shape)
