"""Chooses the fix of a break by its line: what it reads there, what for, and whether the user can edit it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from compile_doctor.analysis.graph_breaks.causes import Advice, Cause, causes, evidence_of, fill, root_reason
from compile_doctor.analysis.graph_breaks.outside import from_outside
from compile_doctor.model.compilations import Given
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame
from compile_doctor.source.breaking_line import readings

_WORD = re.compile(r"\{([\w-]+)\}")


def cause_at(cause: Cause, text: str, line: int, inputs: tuple[Given, ...] = ()) -> Cause:
    """The cause itself, or another if torch's reason fits several and the line shows which one it is."""
    for kind, key in cause.elsewhere.items():
        if readings(text, line, [kind], inputs):
            return cause if key == cause.key else _by_key()[key]
    return cause


def advised(
    cause: Cause,
    reason: str,
    sources: Mapping[str, str],
    place: Frame,
    owner: str,
    led: Location | None = None,
    inputs: tuple[Given, ...] = (),
    stack: Sequence[Frame] = (),
    back: Sequence[int] = (),
) -> Cause:
    """The cause with a fix in the words of its line; for a line of a package, with what can be done from outside.

    `led`: the user's line that leads there, and `stack` how. `back`: lines of the same
    file that ran when the package called them.
    """
    if owner == "mine":
        return _in_words(cause, reason, sources.get(place.file, ""), place.line, inputs)
    if owner == "torch" or cause.deliberate:
        return cause
    return replace(cause, fix=from_outside(cause, sources, place, led, stack, back, inputs))


def _in_words(cause: Cause, reason: str, text: str, line: int, inputs: tuple[Given, ...]) -> Cause:
    """The cause with the first of its advice that fits the line."""
    evidence = evidence_of(root_reason(reason))
    for advice in cause.advice:
        match = advice.reason.search(evidence) if advice.reason else None
        if advice.reason and not match:
            continue
        found = {name: word for name, word in (match.groupdict() if match else {}).items() if word}
        for words in _words(advice, text, line, inputs):
            known = {**cause.words, **found, **words}
            if {*_WORD.findall(advice.fix + advice.why), *advice.needs} <= known.keys():
                return replace(cause, why=fill(advice.why, known) or cause.why, fix=fill(advice.fix, known))
    return cause


def _words(advice: Advice, text: str, line: int, inputs: tuple[Given, ...]) -> Iterator[Mapping[str, str]]:
    if not advice.reads:
        yield {}
    for reading in readings(text, line, advice.reads, inputs):
        if not advice.uses or reading.use in advice.uses:
            yield reading.words


@cache
def _by_key() -> dict[str, Cause]:
    return {cause.key: cause for cause in causes()}
