"""Reads the evidence of one run: torch's traces, the probe's events, sources and bytecode; rank by rank if it has ranks."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

from compile_doctor.capture import older
from compile_doctor.capture.events import EventReader
from compile_doctor.capture.joined import joined
from compile_doctor.capture.members import Members
from compile_doctor.capture.parallel import Share, read_shares
from compile_doctor.capture.rank_files import Files, files_by_rank, several
from compile_doctor.capture.ranks import RANKS, Collector
from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.schema import Shared
from compile_doctor.capture.standing import read_standing
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.read import read_stream
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.stacks import Frame

LARGEST = 32 << 20
"""Largest size of capture.json, of sources.json, and of the text of one frame, in bytes."""
MOST_EVENTS = 64 << 20
"""Largest size of the events of one process, in bytes."""
BROKEN = (zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError, zipfile.BadZipFile)
"""What zipfile raises for a damaged or encrypted archive."""
UNREADABLE = (BadRecordError, OSError, *BROKEN)


def traces_of(members: Members) -> list[str]:
    """torch's traces, the parents' before those of their forks."""
    names = [n for n in members.names if n.endswith(".log") and (n.startswith("trace/") or "torch_trace" in n)]
    return sorted(names, key=lambda name: (_begun(members, name), name))


def read_run(members: Members, asked: Asked, children: tuple[Child, ...], old: bool) -> Evidence:
    """The evidence of one run. Members that cannot be read are named in `lost`."""
    events = [name for name in members.names if name.startswith("process-") and name.endswith(".jsonl")]
    everything = Files(None, traces_of(members), events)
    parts = files_by_rank(members, everything.traces, events)
    if several(parts):
        evidence = _read_ranks(members, asked, children, old, parts)
    else:
        evidence = read_files(members, asked, children, old, everything)
    lost: list[str] = []
    sources: dict[str, str] = {}
    if "sources.json" in members.names:
        try:
            sources = decode(members.read("sources.json", LARGEST), dict[str, str])
        except UNREADABLE as error:
            lost.append(f"sources.json: {error}")
    return replace(evidence, sources=sources, lost=(*evidence.lost, *lost))


def _read_ranks(
    members: Members, asked: Asked, children: tuple[Child, ...], old: bool, parts: Sequence[Files]
) -> Evidence:
    """One rank after the other: of those that did the same, only one is kept."""
    collector = Collector()
    share = Share(members.path, members.sealed, asked, children, old, [part for part in parts if part.who is not None])
    for answer in read_shares(members, share):
        collector.add_all(answer.ranks)
        members.digests.update(answer.digests)
    rest = next((part for part in parts if part.who is None), None)
    outside = read_files(members, asked, children, old, rest) if rest else None
    lost: list[str] = []
    if RANKS in members.names:
        try:
            collector.add_shared(decode(members.read(RANKS, LARGEST), Shared).ranks)
        except UNREADABLE as error:
            lost.append(f"{RANKS}: {error}")
    evidence = joined(collector.ranks(outside), asked, children)
    return replace(evidence, lost=(*evidence.lost, *lost))


def read_files(
    members: Members, asked: Asked, children: tuple[Child, ...], old: bool, files: Files, detailed: bool = True
) -> Evidence:
    """The evidence of some processes; without details if they are only compared with others."""
    lost: list[str] = []
    trace = Trace(detailed)
    for name in files.traces:
        try:
            with members.open(name) as stream:
                read_stream(cast(BinaryIO, stream), trace, name)
                members.note(name, stream)
        except UNREADABLE as error:
            lost.append(f"{name}: {error}")
    events = EventReader()
    for name in files.events:
        try:
            with members.open(name) as stream:
                lines = _capped(stream.lines(), name, lost)
                events.read(name, older.events(lines) if old else lines)
                members.note(name, stream)
        except UNREADABLE as error:
            lost.append(f"{name}: {error}")
    evidence = replace(events.evidence(asked, children, trace), standing=_standing(members, files, lost))
    bytecode = dict(_bytecode(members, events, lost))
    return replace(evidence, bytecode=bytecode, lost=(*trace.lost, *lost, *evidence.lost))


def _standing(members: Members, files: Files, lost: list[str]) -> tuple[Frame, ...]:
    """Where the first process stood when the time was up; a rank has one, and what it started waits for it."""
    for process in sorted(files.processes):
        name = f"standing-{process}.txt"
        if name in members.names:
            try:
                found = read_standing(members.read(name, LARGEST).decode(errors="replace"))
            except UNREADABLE as error:
                lost.append(f"{name}: {error}")
                continue
            if found:
                return found
    return ()


def _begun(members: Members, name: str) -> bytes:
    try:
        return members.first_bytes(name)
    except UNREADABLE:
        return b""


def _capped(lines: Iterator[bytes], name: str, lost: list[str]) -> Iterator[bytes]:
    size = 0
    for line in lines:
        size += len(line)
        if size > MOST_EVENTS:
            lost.append(f"{name}: it has more than {MOST_EVENTS:,} bytes, and the rest was not read")
            return
        yield line


def _bytecode(members: Members, events: EventReader, lost: list[str]) -> Iterator[tuple[str, Any]]:
    for entry in events.bytecode:
        name = f"bytecode/{entry.text}"
        text = None
        if name in members.names:
            try:
                text = members.read(name, LARGEST).decode(errors="replace")
            except UNREADABLE as error:
                lost.append(f"{name}: {error}")
        key = f"{entry.file}:{entry.function}:{entry.line}"
        yield key, {"text": text, "note": entry.note, "path": name if text else None}
