"""One look at a file: what is in it, and the marks by which a later look knows whether anything happened to it in between.

Shared by the process that runs a target and by the doctor, which has to see the same. Nothing but Python's own library.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 512 << 20
"""Bytes that one process hashes of what its target opens: about a second without a processor's SHA instructions. The doctor
hashes them again after the run and before each answer, which has to stay cheaper than the run."""
KINDS = {"special": "is not a regular file", "too large": "is too large to hash"}
"""What has no content that could be compared: such a run is not kept."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_BLOCK = 1 << 20
_MOST_LINKS = 40


@dataclass(frozen=True)
class Content:
    """What the answer of a run depends on; another copy of the same files has the same."""

    kind: str
    """`file`, `folder`, `missing`, `unreadable`, or one of KINDS."""
    digest: str
    """SHA-256 of the bytes, or of a folder's names; empty for other kinds."""
    size: int
    path: str
    """The real path: that a link leads elsewhere is a change, whatever is there."""


@dataclass(frozen=True)
class Look:
    """`marks` are of the file and of each symbolic link on the way: device, inode, size, times of content and of status.

    A file that is replaced by another, or changed and changed back, has other marks: nobody can set the time of its status.
    """

    content: Content
    marks: tuple[tuple[int, ...], ...]

    @property
    def changed(self) -> int:
        """Nanoseconds: when the latest of its marks was made; 0 for none."""
        return max((mark[-1] for mark in self.marks), default=0)


@dataclass(frozen=True)
class Seen:
    """What one process looked at: `files-PID.json`."""

    files: Mapping[str, Look]
    """As they were when they were opened or listed first."""
    early: Sequence[str]
    """Those that were loaded before anybody watched."""
    unseen: Sequence[str]
    """Why this may not be all."""


def look(path: str, room: int = MOST) -> Look:
    """`room`: bytes that a file may hold. Waits for nothing, whatever the path leads to, and raises nothing."""
    marks: list[tuple[int, ...]] = []
    real = path
    try:
        real = _resolve(path, marks)
        found = os.stat(real)
        if stat.S_ISDIR(found.st_mode):  # without marks: hidden files and compiled ones come and go
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
    """The real path, as the system finds it; the mark of each link that it leads through."""
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
        if not stat.S_ISREG(os.fstat(number).st_mode):  # it was one a moment ago
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
    """Of the names in a folder, but hidden ones and Python's compiled files: tools come and go there."""
    names = sorted(one for one in os.listdir(path) if not one.startswith((".", "__pycache__")))
    return hashlib.sha256(os.fsencode("\0".join(names))).hexdigest()
