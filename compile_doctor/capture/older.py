"""Converts captures of earlier versions. They have no seal, so nothing shows whether such a capture is complete."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from compile_doctor.capture.schema import CAPTURE
from compile_doctor.errors import CaptureError

_SCHEMA = re.compile(r"compile-doctor/capture/([0-9]{1,6})\Z")
NOW = int(CAPTURE.rpartition("/")[2])
_ASKED = ("target", "cwd", "doctor", "temporary", "command", "options", "patches")


def version(schema: str, path: object) -> int:
    """The number of a capture's schema. Raises CaptureError for a newer one, and for another kind of schema."""
    match = _SCHEMA.match(schema)
    if match is None:
        raise CaptureError(
            f"{path} is not a capture of compile-doctor: its schema is {schema[:60]!r}.",
            hint="Make a capture with  compile-doctor diagnose TARGET --capture DIR",
        )
    if int(match[1]) > NOW:
        raise CaptureError(
            f"{path} was recorded by a newer version of compile-doctor ({schema}; this version reads {CAPTURE}).",
            hint="Upgrade with  pip install --upgrade compile-doctor",
        )
    return int(match[1])


def unsealed(doctor: str) -> str:
    """The damage of every capture of schema 1, as a sentence."""
    by = f"compile-doctor {doctor}" if doctor else "an older compile-doctor"
    return f"it was recorded by {by}, which did not seal captures, so it may be incomplete: record it again"


def manifest(content: bytes) -> bytes:
    """Converts capture.json from schema 1, which has one flat object, to schema 2. Raises ValueError."""
    old = json.loads(content)
    asked: dict[str, Any] = {name: old[name] for name in _ASKED if name in old}
    if asked.get("options") == {}:
        del asked["options"]
    rungs = [{**one, "reason": one.get("reason") or ""} for one in old.get("rungs") or ()]
    made = {"schema": CAPTURE, "asked": asked, "children": old.get("children") or [], "rungs": rungs}
    return json.dumps(made).encode()


def events(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Converts the probe's events of schema 1, in which the environment's values are beside the key `event`."""
    for line in lines:
        if line.startswith(b'{"event": "environment"'):
            try:
                values = json.loads(line)
                del values["event"]
                line = json.dumps({"event": "environment", "values": values}).encode()
            except (ValueError, RecursionError):
                pass  # the reader reports the error
        yield line
