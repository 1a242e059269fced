"""What the findings about two starts share: the function that was compiled again, and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.starts import Asked, place
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.findings import Cost, Location

CACHES = {"fx_graph": "Inductor's cache", "aotautograd": "AOTAutograd's cache"}


def lines_of(
    seen: AnalysisContext, found: Iterable[Asked], kind: Callable[[Asked], str]
) -> list[tuple[tuple[Location, str], list[Asked]]]:
    """The answers by the function that was compiled and by `kind`."""
    groups: dict[tuple[Location, str], list[Asked]] = {}
    for one in found:
        groups.setdefault((place_of(seen, one.compilation), kind(one)), []).append(one)
    return list(groups.items())


def place_of(seen: AnalysisContext, one: Compilation) -> Location:
    return seen.location(*place(seen.evidence, one))


def values(seen: AnalysisContext, place: Location, ones: list[Asked]) -> dict[str, Any]:
    compilations = {one.compilation.label: one.compilation for one in ones}.values()
    seconds = sum(one.timing.duration / 1e6 if one.timing else one.seconds or 0.0 for one in compilations)
    return {"location": place, "owner": seen.owner(place.file), "count": len(compilations), "cost": Cost(0, seconds)}


def covered(seen: AnalysisContext, one: Asked) -> bool:
    """Whether another answer for the same compilation explains this one: AOTAutograd's key has that of Inductor in it."""
    if one.answer.cache != "aotautograd":
        return False
    others = [other for other in seen.asked_again if other.compilation is one.compilation and other is not one]
    return any(other.answer.cache == "fx_graph" and other.answer.answer != "hit" for other in others)
