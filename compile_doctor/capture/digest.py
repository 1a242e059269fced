"""Writes a capture in which ranks that did the same share the files of one: what a machine passes on about its ranks.

ranks.json      every rank: who it is, its times, and the key of its group
the rest        as in any capture, of one rank of each group and of the processes that are no rank; traces have only
                the kinds of records that are read
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from compile_doctor.capture.load import load_capture
from compile_doctor.capture.members import BLOCK, SEAL, Members
from compile_doctor.capture.rank_files import Files, files_by_rank
from compile_doctor.capture.ranks import RANKS
from compile_doctor.capture.reading import encode
from compile_doctor.capture.runs import traces_of
from compile_doctor.capture.schema import Shared, SharedRank
from compile_doctor.capture.seal import make_seal
from compile_doctor.capture.trace.kinds import WANTED, is_known
from compile_doctor.capture.trace.stream import records
from compile_doctor.errors import CaptureError
from compile_doctor.model.ranks import Ranks


def write_digest(path: Path, to: Path) -> tuple[int, int]:
    """Returns the bytes before and after. Raises CaptureError if the capture has no ranks, or `to` cannot be written."""
    evidence = load_capture(path)
    if not evidence.ranks:
        raise CaptureError(f"{path} has no ranks, so there is nothing to share.", hint="Use the capture as it is.")
    if evidence.damage:
        raise CaptureError(
            f"{path} is damaged: {evidence.damage[0]}.", hint="Make the digest where the capture was made."
        )
    members = Members(path)
    try:
        if to.exists() and any(to.iterdir()):
            raise CaptureError(f"{to} is not empty.", hint="Choose a new folder for --digest.")
        to.mkdir(parents=True, exist_ok=True)
        before = _copy(members, _kept(members, evidence.ranks), to)
        (to / RANKS).write_bytes(encode(_shared(evidence.ranks)))
        if "capture.json" in members.names:  # a bare trace has no seal, and proves nothing
            (to / SEAL).write_bytes(encode(make_seal(Members(to))))
    except OSError as error:
        raise CaptureError(f"The digest {to} cannot be written: {error.strerror}.") from error
    return before, sum(file.stat().st_size for file in to.rglob("*") if file.is_file())


def _shared(ranks: Ranks) -> Shared:
    return Shared(tuple(SharedRank(one, ranks.groups[one.group].key) for one in (*ranks.all, *ranks.earlier)))


def _kept(members: Members, ranks: Ranks) -> set[str]:
    """The files of one rank of each group, and those of no rank."""
    events = [name for name in members.names if name.startswith("process-") and name.endswith(".jsonl")]
    parts = files_by_rank(members, traces_of(members), events)
    chosen = {one.group: one for one in reversed((*ranks.all, *ranks.earlier))}
    wanted = {process for one in chosen.values() for process in one.processes}
    others = {name for part in parts if part.who and not part.processes & wanted for name in _of(part)}
    return set(members.names) - others - {SEAL, RANKS}


def _of(part: Files) -> Iterator[str]:
    yield from (*part.traces, *part.events)
    yield from (f"standing-{process}.txt" for process in part.processes)


def _copy(members: Members, kept: set[str], to: Path) -> int:
    """Copies the files; returns the bytes of all files of the capture."""
    before = 0
    for name in members.names:
        with members.open(name) as stream:
            if name in kept:
                target = to / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if name.endswith(".log"):
                    with target.open("wb") as file:
                        file.writelines(_slim(cast(BinaryIO, stream)))
                else:
                    target.write_bytes(b"".join(iter(lambda: stream.read(BLOCK), b"")))
            before += stream.drain().size
    return before


def _slim(stream: BinaryIO) -> Iterator[bytes]:
    for record in records(stream, WANTED, is_known):
        if record.json:
            payload = record.payload.lstrip(b"\n")
            lines = b"\n\t" + payload.replace(b"\n", b"\n\t") if payload else b""
            yield b"V0101 00:00:00.000000 %b torch:1] %b%b\n" % (record.pid.encode(), record.json, lines)
