"""The seal lists the files of a complete capture. It is written last: without it, the capture may be incomplete.

It protects against loss and accidents, not against somebody who writes a new one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from compile_doctor.capture.members import SEAL, Members, Stream
from compile_doctor.capture.reading import BadRecordError, decode, encode
from compile_doctor.capture.schema import SEAL as SCHEMA
from compile_doctor.capture.schema import Seal

LARGEST = 64 << 20
UNSEALED = (
    f"it has no {SEAL}, which is written last: compile-doctor was stopped before the capture was complete, or a part "
    "of it was removed"
)


def make_seal(members: Members) -> Seal:
    """The seal of the current files."""
    return Seal(SCHEMA, {name: members.digest(name) for name in members.names if name != SEAL})


def seal_of(contents: Mapping[str, bytes]) -> Seal:
    """The seal of files with these contents."""
    return Seal(
        SCHEMA,
        {
            name: Stream(io.BytesIO(content), None, name.endswith(".jsonl")).drain()
            for name, content in contents.items()
        },
    )


def damage(members: Members) -> Iterator[str]:
    """What is missing, changed or added, one sentence each; nothing if the capture is as it was sealed."""
    for name, why in sorted(members.refused.items()):
        yield f"{name} {why}"
    if SEAL not in members.names:
        yield UNSEALED
        return
    try:
        content = members.read(SEAL, LARGEST)
        seal = decode(content, Seal)
    except (BadRecordError, OSError) as error:
        yield f"{SEAL} cannot be read: {error}"
        return
    if content != encode(seal):
        yield f"{SEAL} was changed"
    if seal.schema != SCHEMA:
        yield f"{SEAL} is of another version ({seal.schema[:60]})"
    for name in sorted({*seal.members, *members.names} - {SEAL}):
        if name not in members.names:
            yield f"{name} is missing"
        elif name not in seal.members:
            yield f"{name} does not belong to the capture"
        else:
            found, sealed = members.digest(name), seal.members[name]
            if (found.size, found.sha256) != (sealed.size, sealed.sha256):
                records = f", {found.lines:,} of {sealed.lines:,} records" if found.lines and sealed.lines else ""
                yield f"{name} was changed: {found.size:,} bytes, {sealed.size:,} when it was sealed{records}"
