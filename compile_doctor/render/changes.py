"""What a gate shows once: a new finding, with the figures that got worse with it."""

from __future__ import annotations

from collections.abc import Sequence

from compile_doctor.gate.outcome import Change

_FIGURES = ("graphs", "frames-skipped", "recompiles")
_COMPILED = ("breaks", "frames", "recompiles", "compile-errors")
"""Categories of findings that change the figures."""


def grouped(changes: Sequence[Change]) -> list[tuple[Change, tuple[Change, ...]]]:
    """Each change with those that are told with it; a figure, or a verdict of attention, alone if no finding is new."""
    leads = [one for one in changes if one.finding is not None and not one.waived]
    followed: dict[int, list[Change]] = {}
    rest = []
    for change in changes:
        lead = None if change.finding is not None or change.waived else _lead(change, leads)
        if lead is None:
            rest.append(change)
        else:
            followed.setdefault(id(lead), []).append(change)
    return [(one, tuple(followed.get(id(one), ()))) for one in rest]


def _lead(change: Change, leads: Sequence[Change]) -> Change | None:
    if change.kind in _FIGURES:
        about = [one for one in leads if one.finding and one.finding.facts.category in _COMPILED]
        return next(iter([*about, *leads]), None)
    place = change.location
    if change.kind != "attention" or place is None:
        return None
    same = (one for one in leads if one.finding and one.finding.location)
    return next((one for one in same if _where(one) == (place.file, place.function)), None)


def _where(change: Change) -> tuple[str, str]:
    assert change.finding and change.finding.location
    return change.finding.location.file, change.finding.location.function
