"""The folder of `check`'s cache, and the checks that only its user can write there."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from compile_doctor.processes.cache_place import cache_place


def default_folder() -> Path | None:
    """A folder in the platform's cache folder of the user; None for a user without a home directory."""
    base = cache_place()
    return base / "check" if base else None


def exposed(path: Path) -> str:
    """Why another user may have written this path, and what to do; empty if only this user can, or without a file."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path}: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return f"{path}: it is a symbolic link. Remove it"
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        return f"{path}: it belongs to another user. Remove it"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{path}: other users can write to it. Remove it, or run `chmod go-w` on it"
    return ""


def make_private(folder: Path) -> None:
    """Makes the missing folders of a path, private to this user, whatever the umask is. Raises OSError."""
    for one in (*reversed(folder.parents), folder):
        if not one.exists():
            one.mkdir(0o700, exist_ok=True)


def newest_first(place: Path) -> Iterator[Path]:
    """The entries of a folder, the newest first."""
    times = {}
    for entry in place.glob("*.zip"):
        with contextlib.suppress(OSError):  # another check has removed it
            times[entry] = entry.lstat().st_mtime
    yield from sorted(times, key=lambda entry: times[entry], reverse=True)


def remove_unused(folder: Path, days: int) -> None:
    """Removes the folders of targets whose entries were not used for `days` days."""
    with contextlib.suppress(OSError):
        for place in folder.iterdir():
            newest = max((entry.lstat().st_mtime for entry in place.glob("*")), default=0.0)
            if newest < time.time() - days * 86400 and not exposed(place):
                shutil.rmtree(place, ignore_errors=True)
