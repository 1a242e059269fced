"""Reads what torch's caches of compiled code answered: the key, what it was made of, and why a cache was bypassed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.trace.records import Cached
from compile_doctor.model.timeline import Answer, Cache, CacheAnswer, KeyPart

_PART = re.compile(r"\[(\w+)\] (\w+(?:\[.*?\])?): ?", re.DOTALL)
LONGEST_VALUE = 120
LONGEST_GRAPH = 20_000
"""Characters of the graph in a key, of which the lines are compared."""
LONGEST_REASON = 500
MOST_PARTS = 2000
_KIND = re.compile(r"artifact:(fx_graph|aotautograd)_cache_(hit|miss|bypass)")


def read_answer(kind: str, payload: bytes) -> CacheAnswer:
    """The answer that a record of this kind has; only the answer itself if the payload was cut."""
    match = _KIND.fullmatch(kind)
    assert match is not None, kind
    name, answer = cast(Cache, match[1]), cast(Answer, match[2])
    try:
        found = decode(payload, Cached) if payload.strip() else Cached()
    except BadRecordError:
        return CacheAnswer(name, answer)
    saved = found.time_saved_ns / 1e9 if found.time_saved_ns is not None else None
    saved = found.time_saved_ms / 1e3 if found.time_saved_ms is not None else saved
    parts = tuple(
        part
        for text in (found.components or ())[:MOST_PARTS]
        if (part := _part(text) if len(text) < 1000 else _read(text))
    )
    return CacheAnswer(name, answer, found.key or "", (found.cache_bypass_reason or "")[:LONGEST_REASON], saved, parts)


@lru_cache(4096)
def _part(text: str) -> KeyPart | None:
    """One object for equal parts: each graph repeats all of Inductor's settings."""
    return _read(text)


def _read(text: str) -> KeyPart | None:
    match = _PART.match(text)
    if match is None:
        return None
    value = text[match.end() :]
    most = LONGEST_GRAPH if match[2] == "gm" else LONGEST_VALUE
    return KeyPart(match[2], match[1], value if len(value) <= most else value[: most - 1] + "…")
