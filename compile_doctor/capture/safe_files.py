"""Opens files that other users may have written: only regular files, and only up to a number of bytes.

A FIFO would wait forever, `/dev/zero` would fill the memory, and a link may lead out of a folder.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class UnsafeFileError(OSError):
    """The file is not a regular file, or it is too large."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.strerror = why


def open_regular(path: Path, follow: bool = True) -> BinaryIO:
    """Opens a regular file. Raises UnsafeFileError for anything else (without `follow` also for a link), or OSError."""
    if not follow and path.is_symlink():
        raise UnsafeFileError("it is a symbolic link")
    number = os.open(path, _FLAGS | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise UnsafeFileError("it is not a regular file")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_bytes(path: Path, limit: int, follow: bool = True) -> bytes:
    """The whole file. Raises UnsafeFileError if it is not a regular file or has more than `limit` bytes, or OSError."""
    with open_regular(path, follow) as file:
        return read_capped(file, limit)


def read_capped(stream: BinaryIO, limit: int) -> bytes:
    """The whole stream. Raises UnsafeFileError for more than `limit` bytes, without relying on a file's own size."""
    pieces, size = [], 0
    while piece := stream.read(min(1 << 20, limit + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise UnsafeFileError(f"it has more than {limit:,} bytes")
    return b"".join(pieces)
