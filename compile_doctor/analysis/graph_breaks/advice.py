"""Chooses the fix of a break by its line: what it reads there, what for, and whether the user can edit it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from compile_doctor.analysis.graph_breaks.causes import Advice, Cause, causes, evidence_of, fill, root_reason
from compile_doctor.source.breaking_line import called_at, readings

_WORD = re.compile(r"\{([\w-]+)\}")


def cause_at(cause: Cause, text: str, line: int) -> Cause:
    """The cause itself, or another if torch's reason fits several and the line shows which one it is."""
    for kind, key in cause.elsewhere.items():
        if readings(text, line, [kind]):
            return cause if key == cause.key else _by_key()[key]
    return cause


def advised(cause: Cause, reason: str, text: str, line: int) -> Cause:
    """The cause with the first of its advice that fits the line, in the words of the line."""
    evidence = evidence_of(root_reason(reason))
    for advice in cause.advice:
        reason_match = advice.reason.search(evidence) if advice.reason else None
        if advice.reason and not reason_match:
            continue
        found = {name: word for name, word in (reason_match.groupdict() if reason_match else {}).items() if word}
        for words in _words(advice, text, line):
            known = {**cause.words, **found, **words}
            if {*_WORD.findall(advice.fix + advice.why), *advice.needs} <= known.keys():
                return replace(cause, why=fill(advice.why, known) or cause.why, fix=fill(advice.fix, known))
    return cause


def _words(advice: Advice, text: str, line: int) -> Iterator[Mapping[str, str]]:
    if not advice.reads:
        yield {}
    for reading in readings(text, line, advice.reads):
        if not advice.uses or reading.use in advice.uses:
            yield reading.words


@cache
def _by_key() -> dict[str, Cause]:
    return {cause.key: cause for cause in causes()}


_OUTSIDE = """\
# {file} is not your code, so change what leads there, at {place}:
# - an argument or a setting of the package that avoids this line, or
# - one break at a place that you choose, instead of those inside of the package (torch still compiles the rest):
{excluded}"""


def outside(cause: Cause, file: str, place: str, text: str, line: int) -> str:
    """What a user can do about a break in a package, at the line of theirs that leads there."""
    called = called_at(text, line) or "the_function"
    module = called.partition("(")[0]
    excluded = f"{module} = torch.compiler.disable({module})    # once, before compiling"
    words = {"file": file, "place": place, "excluded": excluded}
    return "\n".join(filter(None, [cause.outside, fill(_OUTSIDE, words)]))
