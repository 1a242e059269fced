"""What is known while one trace file is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.stream import Record, without_tabs
from compile_doctor.capture.trace.timing import Timer
from compile_doctor.model.kept_text import LONGEST, KeptText, kept
from compile_doctor.model.stacks import Frame

_NOBODYS = re.compile(
    r"/torch/(?:_dynamo/|_compile\.py)|/compile_doctor/(?:probe/|run/|launch\.py|cli/|__main__\.py)|/tests/record\.py|^<frozen "
)
"""Frames of the tracer and of compile-doctor, which are not shown."""
Key = tuple[str, Any, Any, Any]


class Reading:
    """The state for one file: torch interns file names per process, and compile ids restart after a reset."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.names: dict[tuple[str, int], str] = {}
        self.current: dict[Key, int] = {}
        self.pending: dict[Key, tuple[str, ...]] = {}
        self.timers: dict[Key, Timer] = {}
        self.changed: dict[int, dict[str, Any]] = {}
        """What is known of each compilation since it began; put into it at the end."""
        self.broken: set[int] = set()
        self.stacks: dict[tuple[Frame, ...], tuple[Frame, ...]] = {}
        self.texts: dict[str, str] = {}
        self.described: dict[tuple[str, int], trace_records.Tensor] = {}
        """By process and number, the tensors that have no name yet."""

    def once(self, text: str | None) -> str:
        """One object for equal texts: torch repeats its settings in each compilation."""
        return self.texts.setdefault(text or "", text or "")

    def kept(self, record: Record) -> KeptText | None:
        """The payload, while there is room: a page shows a few graphs, not those of a whole suite."""
        if not self.trace.detailed:
            return None
        text = without_tabs(record.raw[:LONGEST]).strip(b"\n")
        size = len(text) if len(record.raw) <= LONGEST else len(record.raw)
        self.trace.room -= len(text)
        return kept(text, size) if self.trace.room >= 0 else KeptText(size)

    def key(self, record: Record, header: Ids) -> Key:
        return record.pid, header.frame_id, header.frame_compile_id, header.compiled_autograd_id

    def index(self, record: Record, header: Ids) -> int:
        """The index of the compilation that a record is about; -1 if it has not begun in this file."""
        return self.current.get(self.key(record, header), -1)

    def change(self, key: Key, **values: Any) -> int:
        index = self.current.get(key, -1)
        if index >= 0:
            self.changed.setdefault(index, {}).update(values)
        return index

    def so_far(self, index: int, name: str) -> tuple[Any, ...]:
        """What earlier records have put into a field of a compilation that has several entries."""
        return self.changed.get(index, {}).get(name) or ()

    def stack(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        stack = tuple(frame for frame in frames if not _NOBODYS.search(frame.file))
        return self.stacks.setdefault(stack, stack)

    def name(self, pid: str, number: int) -> str:
        """A file name by number. A forked child continues with its parent's names, from this file or (2.13) another."""
        own = self.names.get((pid, number))
        others = self.trace.names.get(number, set())
        return own or (next(iter(others)) if len(others) == 1 else "?")
