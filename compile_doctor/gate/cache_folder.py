"""Where the cache of `check` is, and that nobody but its user can put anything there."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path


def default_folder() -> Path | None:
    """In the user's folder for caches, as the platform has it; None for a user without a home."""
    from platformdirs import user_cache_path  # only here: the cache may be off

    try:
        base = user_cache_path("compile-doctor", appauthor=False)
    except RuntimeError:  # no HOME, and nobody knows this user; versions before 4.14 give a relative path
        return None
    return base / "check" if base.is_absolute() else None


def exposed(path: Path) -> str:
    """Why what is there may be somebody else's work, and what to do; empty if it is this user's alone, or not there."""
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
        return f"{path}: others can write to it. Remove it, or take that right away (chmod go-w)"
    return ""


def make_private(folder: Path) -> None:
    """Makes what is missing of a path, for this user alone, whatever the umask is. Raises OSError."""
    for one in (*reversed(folder.parents), folder):
        if not one.exists():
            one.mkdir(0o700, exist_ok=True)


def newest_first(place: Path) -> Iterator[Path]:
    """The entries."""
    times = {}
    for entry in place.glob("*.zip"):
        with contextlib.suppress(OSError):  # another check has removed it
            times[entry] = entry.lstat().st_mtime
    yield from sorted(times, key=lambda entry: times[entry], reverse=True)


def remove_unused(folder: Path, days: int) -> None:
    """Places where nothing was looked for in so many days."""
    with contextlib.suppress(OSError):
        for place in folder.iterdir():
            newest = max((entry.lstat().st_mtime for entry in place.glob("*")), default=0.0)
            if newest < time.time() - days * 86400 and not exposed(place):
                shutil.rmtree(place, ignore_errors=True)
