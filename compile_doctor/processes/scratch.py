"""Temporary folders of compile-doctor: removed at the end, or by the next run if compile-doctor was killed.

Each has a file that its process keeps locked; the kernel drops the lock when the process ends. A folder without that
file, of another user, or written on another machine (a shared file system) is never touched.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from compile_doctor.errors import InconclusiveError

PREFIX = "compile-doctor-"
OWNER = ".owner"


@contextmanager
def scratch(word: str = "") -> Iterator[Path]:
    """A folder that is removed when the block ends, also by an error. Raises InconclusiveError if it cannot be made."""
    _sweep_once()
    lock = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{word}-" if word else PREFIX))
        lock = _own(folder)
    except OSError as error:
        raise InconclusiveError(
            f"No temporary folder can be made: {error.strerror or error}.",
            "Set TMPDIR to a writable folder on a disk with free space.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the target may have deleted it, or may still be writing there
        if lock is not None:
            with suppress(OSError):
                os.close(lock)


def sweep() -> None:
    """Removes the folders of runs that have ended without removing them."""
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            found = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for path in found:
        with suppress(OSError):
            _remove_orphan(path)


@cache
def _sweep_once() -> None:
    sweep()


def _own(folder: Path) -> int | None:
    """Locks the folder as long as this process lives; returns the lock, or None if the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    part = folder / f"{OWNER}.part"
    lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, _machine())
        os.rename(part, folder / OWNER)  # it appears under its name only after it is locked
    except OSError:
        # A file system without locks, or a full one: the folder has no owner file, and no later run removes it.
        with suppress(OSError):
            os.unlink(part)
    return lock


def _remove_orphan(path: str) -> None:
    """Removes a folder whose process has ended. Raises OSError if the folder is in use, or has no owner file."""
    import fcntl

    folder = os.lstat(path)
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.getuid():
        return
    owner = os.path.join(path, OWNER)
    lock = os.open(owner, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        held = os.fstat(lock)
        if not stat.S_ISREG(held.st_mode) or held.st_uid != os.getuid() or os.read(lock, 1000) != _machine():
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if its own process, or another sweep, has the lock
        if os.path.samestat(held, os.lstat(owner)):  # not a new file of the same name
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _machine() -> bytes:
    return f"{PREFIX}{os.uname().nodename}".encode()
