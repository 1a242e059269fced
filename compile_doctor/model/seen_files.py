"""One look at a file: its content, and marks that show a later look whether the file was changed in between.

Shared by the process that runs a target and compile-doctor, which have to see the same. Needs only Python's library.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 512 << 20
"""Bytes of opened files that one process hashes: about a second without the processor's SHA instructions.
compile-doctor hashes them again after the run and before each use of the cache, which has to cost less than the run."""
KINDS = {"special": "is not a regular file", "too large": "is too large to hash"}
"""Kinds of files whose content cannot be compared: a run with one is not kept."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_BLOCK = 1 << 20
_MOST_LINKS = 40


@dataclass(frozen=True)
class Content:
    """What the result of a run depends on; equal for another copy of the same files."""

    kind: str
    """`file`, `folder`, `missing`, `unreadable`, or one of KINDS."""
    digest: str
    """SHA-256 of the bytes, or of a folder's names; empty for other kinds."""
    size: int
    path: str
    """The real path: a link that leads elsewhere is a change, whatever is there."""


@dataclass(frozen=True)
class Look:
    """`marks` has device, inode, size, mtime and ctime of the file and of each symbolic link on the way.

    A file that is replaced, or changed and changed again to the same content, has other marks: ctime cannot be set.
    """

    content: Content
    marks: tuple[tuple[int, ...], ...]

    @property
    def changed(self) -> int:
        """The latest ctime of its marks, in nanoseconds; 0 if there are none."""
        return max((mark[-1] for mark in self.marks), default=0)


@dataclass(frozen=True)
class Seen:
    """The files that one process used: `files-PID.json`."""

    files: Mapping[str, Look]
    """In their state when they were first opened or listed."""
    early: Sequence[str]
    """Files that were loaded before the recording began."""
    unseen: Sequence[str]
    """Reasons why the list may be incomplete."""


def look(path: str, room: int = MOST) -> Look:
    """Looks at a path. `room`: largest size of a file in bytes. Never blocks and never raises, whatever the path is."""
    marks: list[tuple[int, ...]] = []
    real = path
    try:
        real = _resolve(path, marks)
        found = os.stat(real)
        if stat.S_ISDIR(found.st_mode):  # without marks, because hidden and compiled files come and go
            return Look(Content("folder", _names(real), 0, real), tuple(marks))
        marks.append(_mark(found))
        kind, digest = _regular(real, room) if stat.S_ISREG(found.st_mode) else ("special", "")
        return Look(Content(kind, digest, found.st_size, real), tuple(marks))
    except (FileNotFoundError, NotADirectoryError):
        return Look(Content("missing", "", 0, real), tuple(marks))
    except (OSError, ValueError):
        return Look(Content("unreadable", "", 0, real), tuple(marks))


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _resolve(path: str, marks: list[tuple[int, ...]]) -> str:
    """The real path, as the system resolves it; adds the mark of each link on the way to `marks`."""
    left = path.split("/")[::-1]
    at = "/"
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, part)
        try:
            found = os.lstat(here)
        except (FileNotFoundError, NotADirectoryError):
            return os.path.join(here, *left[::-1])
        if not stat.S_ISLNK(found.st_mode):
            at = here
            continue
        marks.append(_mark(found))
        if len(marks) > _MOST_LINKS:
            raise OSError("too many links")
        target = os.readlink(here)
        at = "/" if target.startswith("/") else at
        left += target.split("/")[::-1]
    return at


def _regular(path: str, room: int) -> tuple[str, str]:
    number = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):  # it was a regular file a moment ago
            return "special", ""
        if os.fstat(number).st_size > room:
            return "too large", ""
        digest = hashlib.sha256()
        while block := os.read(number, _BLOCK):
            room -= len(block)
            if room < 0:
                return "too large", ""
            digest.update(block)
        return "file", digest.hexdigest()
    finally:
        os.close(number)


def _names(path: str) -> str:
    """The digest of the names in a folder, without hidden ones and Python's compiled files, which come and go."""
    names = sorted(one for one in os.listdir(path) if not one.startswith((".", "__pycache__")))
    return hashlib.sha256(os.fsencode("\0".join(names))).hexdigest()
