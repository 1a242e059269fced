"""Which files belong to which rank: a process says it at the beginning of its file, or the file's name does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from compile_doctor.capture.members import Members
from compile_doctor.capture.reading import BadRecordError, decode_event
from compile_doctor.capture.schema import Ranked
from compile_doctor.model.ranks import Identity

_HEAD = 1 << 16
"""Bytes at the beginning of a file in which a process says which rank it is."""

_IN_NAME = re.compile(r"(?:^|[_/])rank_(\d{1,9})_")

_IN_RECORD = re.compile(rb'"rank": (\d{1,9})[,}]')

_PROCESS = re.compile(rb"^V\d{4} \S+ (\d+) ")


@dataclass
class Files:
    """The files of one rank, or of all processes that are none."""

    who: Identity | None
    traces: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    processes: set[str] = field(default_factory=set)


def files_by_rank(members: Members, traces: Iterable[str], events: Iterable[str]) -> list[Files]:
    """The files of each rank, in the order of the ranks of each launch; last those of processes that are no rank."""
    known: dict[str, Identity] = {}
    by_process: dict[str, tuple[list[str], list[str]]] = {}
    for name in events:
        process = name.rpartition("/")[2].removeprefix("process-").removesuffix(".jsonl")
        by_process.setdefault(process, ([], []))[1].append(name)
        who = _identity(_head(members, name))
        if who is not None:
            known[process] = who
    for name in traces:
        head = _head(members, name)
        found = _PROCESS.match(head)
        process = found[1].decode() if found else name
        by_process.setdefault(process, ([], []))[0].append(name)
        said = _IN_NAME.search(name) or _IN_RECORD.search(head)
        if said:
            known.setdefault(process, Identity(int(said[1])))
    groups: dict[tuple[str, int, int] | None, Files] = {}
    for process, (logs, lines) in by_process.items():
        who = known.get(process)
        key = (who.launch, who.restart, who.rank) if who else None
        files = groups.setdefault(key, Files(who))
        files.traces += logs
        files.events += lines
        files.processes.add(process)
    order = sorted(groups, key=lambda key: (key is None, key or ()))
    return [groups[key] for key in order]


def several(parts: Iterable[Files]) -> bool:
    """Whether this is a run of several ranks, of which perhaps only one is here."""
    found = [part.who for part in parts if part.who is not None]
    return len({who.rank for who in found}) > 1 or any((who.world_size or 1) > 1 for who in found)


def _head(members: Members, name: str) -> bytes:
    try:
        with members.open(name) as stream:
            return stream.read(_HEAD)
    except Exception:  # reading the whole file reports the error
        return b""


def _identity(head: bytes) -> Identity | None:
    for line in head.split(b"\n"):
        if b'"ranked"' in line[:40]:
            try:
                event = decode_event(line)
            except BadRecordError:
                return None
            return event.who if isinstance(event, Ranked) else None
    return None
