"""The files of a capture, in a folder or in a zip, with checked names, limited sizes and normalised line ends.

A program that copied it may have written `\\r\\n`: what is read, counted and hashed has `\\n`.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

from compile_doctor.capture.safe_files import UnsafeFileError, open_regular, read_capped
from compile_doctor.capture.schema import Member
from compile_doctor.errors import CaptureError

SEAL = "seal.json"
MOST_FILES = 100_000
LONGEST_LINE = 16 << 20
"""Largest size of one event in bytes."""
PACKED = 64 << 20
"""Bytes that any zip may unpack to; beyond that, `RATIO` is the limit."""
RATIO = 250
"""Traces are repetitive and shrink to a thirtieth; zlib's maximum is a thousandth, which only a zip bomb reaches."""
BLOCK = 1 << 20

_APART = re.compile(r"(?:^|/)(?:\.[^/]*|__MACOSX)(?:/|$)|^with-recipes/|(?:^|/)files-\d+\.json$")
"""Files that do not belong to the capture: hidden files, the second run with recipes, the notes of the cache."""


_HASHING = ThreadPoolExecutor(1, "hash")
"""Digests are computed while reading: hashlib releases the GIL, and a trace may have hundreds of megabytes."""


class Stream:
    """Reads one member; `drain` returns its entry in a seal."""

    def __init__(self, raw: BinaryIO, most: int | None, records: bool = False, hashed: bool = True) -> None:
        """`most`: size limit in bytes. `records`: count the lines. `hashed`: False for a trace, which has no seal."""
        self._raw = raw
        self._most = most
        self._held = b""
        self._hash = hashlib.sha256()
        self._hashed = hashed
        self._hashing: Future[None] | None = None
        self._lines = 0 if records else None
        self._size = self._taken = 0
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes; fewer or none only at the end. Raises UnsafeFileError beyond what a zip may unpack to."""
        block = self._raw.read(size)
        self._taken += len(block)
        if self._most is not None and self._taken > self._most:
            raise UnsafeFileError("it unpacks to more bytes than a capture can have: this looks like a zip bomb")
        self.ended = not block
        block, self._held = self._held + block, b""
        if b"\r" in block:
            if block.endswith(b"\r") and not self.ended:
                block, self._held = block[:-1], b"\r"
            block = block.replace(b"\r\n", b"\n")
            if not block and not self.ended:
                return self.read(size)
        self._count(block)
        return block

    def _count(self, block: bytes) -> None:
        self._size += len(block)
        if self._lines is not None:
            self._lines += block.count(b"\n")
        if self._hashing is not None:
            self._hashing.result()
        if self._hashed:
            self._hashing = _HASHING.submit(self._hash.update, block)

    def drain(self) -> Member:
        """Reads the rest; returns the entry of the whole member in a seal."""
        while not self.ended:
            self.read(BLOCK)
        if self._hashing is not None:
            self._hashing.result()
        return Member(self._size, self._hash.hexdigest(), self._lines)

    def lines(self) -> Iterator[bytes]:
        """The lines without their ends. A line longer than LONGEST_LINE becomes a `{`, which every reader reports."""
        begun: list[bytes] = []  # of a line whose end has not come: joined once, as a long line has hundreds of blocks
        size = 0
        while block := self.read(BLOCK):
            first, *others = block.split(b"\n")
            begun.append(first)
            size += len(first)
            if others:
                yield b"{" if size > LONGEST_LINE else b"".join(begun)
                *whole, last = others
                yield from whole
                begun, size = [last], len(last)
            elif size > LONGEST_LINE:
                begun = []
        if size:
            yield b"{" if size > LONGEST_LINE else b"".join(begun)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._raw.close()


class Members:
    """Every file below a folder, or below the folder in a zip that has the capture."""

    def __init__(self, path: Path, above: Members | None = None, folder: str = "") -> None:
        """A capture of its own, or the `folder` of the capture `above`.

        Raises CaptureError, OSError, or what zipfile raises, if the files cannot be listed.
        """
        self.path = path
        self.refused: dict[str, str] = {}
        """Names that exist but are not read, with the reason."""
        self._folder = folder
        self.sealed = True
        """Whether digests are needed: not for a trace, which has no seal."""
        self.digests: dict[str, Member] = above.digests if above else {}
        """The entries of the members that were read, in a seal."""
        self._zip: zipfile.ZipFile | None = (
            above._zip if above else None if path.is_dir() else zipfile.ZipFile(open_regular(path))
        )
        listed = self._listed()
        self.prefix: str = _prefix(path, listed) if above is None else f"{above.prefix}{folder}" if self._zip else ""
        inside = (name.removeprefix(self.prefix) for name in listed if name.startswith(self.prefix))
        self.names = sorted(name for name in inside if not _APART.search(name))
        """Relative paths, with slashes."""

    def below(self, folder: str) -> Members:
        """The files of a folder, as a separate capture."""
        return Members(self.path if self._zip else self.path / self.prefix / folder, self, folder + "/")

    def _listed(self) -> list[str]:
        listed = self._in_zip(self._zip) if self._zip is not None else self._in_folder()
        found: set[str] = set()
        for name in listed:
            if len(found) >= MOST_FILES:
                raise CaptureError(f"{self.path} has more than {MOST_FILES:,} files, so it is not a capture.")
            if name in found:
                self.refused[name] = "occurs twice"
            found.add(name)
        return sorted(found - self.refused.keys())

    def _in_zip(self, archive: zipfile.ZipFile) -> Iterator[str]:
        for entry in archive.infolist():
            name = entry.filename
            if name.endswith("/"):
                continue
            if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
                self.refused[name] = "has a name that points outside of the capture"
            elif (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
                self.refused[name] = "is not a regular file"
            else:
                yield name

    def _in_folder(self) -> Iterator[str]:
        folders = [self.path]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    name = Path(entry.path).relative_to(self.path).as_posix()
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        yield name
                    elif not _APART.search(name):
                        self.refused[name] = "is a symbolic link" if entry.is_symlink() else "is not a regular file"

    def open(self, name: str) -> Stream:
        """Opens a member. Raises OSError, or what zipfile raises."""
        if self._zip is None:
            file = self.path / (self.prefix + name)
            return Stream(open_regular(file, follow=False), None, name.endswith(".jsonl"), self.sealed)
        entry = self._zip.getinfo(self.prefix + name)
        most = max(PACKED, RATIO * entry.compress_size)
        return Stream(cast(BinaryIO, self._zip.open(entry)), most, name.endswith(".jsonl"), self.sealed)

    def read(self, name: str, limit: int) -> bytes:
        """The whole member. Raises UnsafeFileError for more than `limit` bytes."""
        with self.open(name) as stream:
            content = read_capped(cast(BinaryIO, stream), limit)
            self.note(name, stream)
        return content

    def first_bytes(self, name: str) -> bytes:
        """The first 21 bytes; for a trace, `V<date> <time>` of its first record."""
        with self.open(name) as stream:
            return stream.read(21)

    def note(self, name: str, stream: Stream) -> None:
        """Keeps the seal's entry of a member that was read, so that it is read only once."""
        if self.sealed:
            self.digests[self._folder + name] = stream.drain()

    def digest(self, name: str) -> Member:
        """The member's entry in a seal."""
        if self._folder + name not in self.digests:
            with self.open(name) as stream:
                self.note(name, stream)
        return self.digests[self._folder + name]

    def forget(self, name: str) -> None:
        """Drops the entry of a member that was rewritten."""
        self.digests.pop(self._folder + name, None)
        if name not in self.names:
            self.names = sorted([*self.names, name])


def _prefix(path: Path, names: list[str]) -> str:
    """The folder of the capture, as in `zip -r run1.zip run1`. Raises CaptureError if there are several captures."""
    if any(name in ("capture.json", SEAL) for name in names):
        return ""
    folders = {name.rpartition("/")[0] for name in names if name.endswith(("/capture.json", "/" + SEAL))}
    tops = sorted(one for one in folders if not any(one.startswith(other + "/") for other in folders))
    if len(tops) > 1:
        listed = ", ".join(tops[:4]) + (", …" if len(tops) > 4 else "")
        raise CaptureError(f"{path} has {len(tops)} captures: {listed}.", hint="Report them one by one.")
    return f"{tops[0]}/" if tops else ""
