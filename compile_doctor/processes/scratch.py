"""The doctor's temporary folders: made here, removed at the end, and by the next run if the doctor was killed.

Each holds a file that its doctor keeps locked; the kernel drops the lock with the process. A folder without that file, of
another user, or written on another machine (a shared file system) is never touched.
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
    """A folder that goes when the block ends, however it ends. Raises InconclusiveError if there is no room for one."""
    _sweep_once()
    lock = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{word}-" if word else PREFIX))
        lock = _own(folder)
    except OSError as error:
        raise InconclusiveError(
            f"No temporary folder can be made: {error.strerror or error}.",
            "Point TMPDIR to a folder on a disk with room, that can be written to.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # the target may have deleted it, or be writing there yet
        if lock is not None:
            with suppress(OSError):
                os.close(lock)


def sweep() -> None:
    """Removes the folders of doctors that are no more."""
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
    """The lock on the folder, held as long as this process lives; None if the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return None
    part = folder / f"{OWNER}.part"
    lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(lock, _machine())
        os.rename(part, folder / OWNER)  # whoever finds it finds it locked
    except OSError:
        # A file system without locks, or a full one: the folder has no owner then, and no later run removes it.
        with suppress(OSError):
            os.unlink(part)
    return lock


def _remove_orphan(path: str) -> None:
    """Raises OSError if the folder is in use, or is not ours."""
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
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while its doctor, or another sweeper, holds it
        if os.path.samestat(held, os.lstat(owner)):  # not one that was made since
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _machine() -> bytes:
    return f"{PREFIX}{os.uname().nodename}".encode()
