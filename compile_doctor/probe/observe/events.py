"""Writes what the probe observes, one JSON object per line, at once, so that nothing is lost if the process dies."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from compile_doctor.capture import schema


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    return str(value)


# The target may replace these functions, or close files that it did not open.
_encode = json.JSONEncoder(allow_nan=False, check_circular=False, default=_plain).encode
_open, _write, _fstat, _getpid, _clock = os.open, os.write, os.fstat, os.getpid, time.perf_counter


def to_json(record: Any) -> str:
    """A record of `schema` on one line. Raises ValueError for NaN and infinity."""
    return _encode(record)


class EventLog:
    """One file per process: a forked child opens its own at its first event.

    Nothing here raises into the observed program. What cannot be written is lost, and then the last event, which has the
    number of events, is missing too.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.broken = ""
        """The error after which nothing more is written; empty without one."""
        self._lock = threading.Lock()
        self._locked_by = _getpid()
        self._pid = -1
        self._file: tuple[int, tuple[int, int]] | None = None
        """The file descriptor, and the (device, inode) of its file."""
        self._written = 0

    def write(self, event: Any) -> None:
        """Writes a record of `schema`. Raises TypeError for another object."""
        word = schema.KINDS.get(type(event))
        if word is None:
            raise TypeError(f"{type(event).__name__} is not an event")
        try:
            try:
                line = _encode({"event": word, **_plain(event)})
            except ValueError as error:  # NaN or infinity, which cannot be compared
                line = _encode({"event": "lost", "text": f"an event {word!r} could not be written: {error}"})
            with self._own_lock():
                if not self.broken:
                    self._append(line.encode("utf-8", "backslashreplace") + b"\n")
                    self._written += 1
        except Exception as error:
            self.broken = f"{type(error).__name__}: {error}"

    def end(self) -> None:
        """Writes the last event, which shows that nothing is missing."""
        with self._own_lock():
            count = self._written if self._pid == _getpid() else 0
        self.write(schema.End(count))

    def _own_lock(self) -> threading.Lock:
        """The lock of this process: a thread that was writing at the fork does not exist here, and cannot release its lock."""
        if self._locked_by != _getpid():
            self._lock, self._locked_by = threading.Lock(), _getpid()
        return self._lock

    @property
    def begun(self) -> bool:
        """Whether this process has written an event; those of the process that it was forked from do not count."""
        return self._pid == _getpid() and self._written > 0

    def _append(self, line: bytes) -> None:
        number = self._number()
        while line:
            line = line[_write(number, line) :]

    def _number(self) -> int:
        if self._pid != _getpid():
            self._pid, self._written, self._file = _getpid(), 0, None
        if self._file is not None:
            with suppress(OSError):
                found = _fstat(self._file[0])
                if (found.st_dev, found.st_ino) == self._file[1]:
                    return self._file[0]
        path = self.directory / f"process-{self._pid}.jsonl"
        number = _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        found = _fstat(number)
        self._file = number, (found.st_dev, found.st_ino)
        return number

    @contextmanager
    def phase(self, name: schema.PhaseName) -> Iterator[None]:
        """Marks a phase as begun, done or failed, with its wall-clock seconds; records an exception and raises it again."""
        self.write(schema.Phase(name, "begun"))
        start = _clock()
        try:
            yield
        except BaseException as error:
            from compile_doctor.probe.observe.failures import describe

            self.write(schema.Raised(phase=name, **describe(error)))
            self.write(schema.Phase(name, "failed", _clock() - start))
            raise
        self.write(schema.Phase(name, "done", _clock() - start))
