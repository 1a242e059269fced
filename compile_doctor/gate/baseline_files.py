"""Finds, reads and writes baselines: one file for each target, torch minor version and device."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from compile_doctor.capture.safe_files import read_bytes
from compile_doctor.errors import InconclusiveError
from compile_doctor.gate.baseline import Baseline, minor, parse, text_of

LARGEST = 4 << 20
"""Largest size of a baseline in bytes: about 20,000 findings."""
_PLAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,98}[a-z0-9_])?")
"""Names that are valid file names everywhere, including file systems that ignore case."""


def path_of(folder: Path, name: str, torch: str, device: str) -> Path:
    """`vit.torch-2.13.cpu.json`, different for each target: `vit/a` has `vit-a-8d3aa2fd.torch-2.13.cpu.json`."""
    if _PLAIN.fullmatch(name):
        return _path(folder, name, torch, device)
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9_.-]+", "-", name.lower())[:80].strip("-.") or "target"
    return _path(folder, f"{plain}-{digest}", torch, device)


def _older(folder: Path, name: str, torch: str, device: str) -> Path:
    """The path in older versions, which may have another target's baseline, because names were not made unique."""
    return _path(folder, re.sub(r"[^\w.-]+", "-", name)[:200].strip("-.") or "target", torch, device)


def _path(folder: Path, name: str, torch: str, device: str) -> Path:
    return folder / f"{name}.torch-{minor(torch)}.{re.sub(r'[^a-zA-Z0-9_*-]+', '-', device)}.json"


def find(folder: Path, name: str, torch: str, device: str) -> Path:
    """The path of the target's baseline, or where to write it."""
    path = path_of(folder, name, torch, device)
    older = _older(folder, name, torch, device)
    if older != path and not os.path.lexists(path):
        with contextlib.suppress(InconclusiveError):
            entry = load(older)
            if entry is not None and entry.target == name:
                return older
    return path


def known(folder: Path, name: str, torch: str) -> bool:
    """Whether there may be a baseline of the target for this torch, on any device."""
    return any(any(folder.glob(place(folder, name, torch, "*").name)) for place in (path_of, _older))


def load(path: Path) -> Baseline | None:
    """The baseline, or None without a file. Raises InconclusiveError, with file and field, if it is not valid."""
    try:
        return parse(read_bytes(path, LARGEST))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InconclusiveError(f"{_shown(path)} cannot be read: {error.strerror or error}.") from error
    except InconclusiveError as error:
        raise InconclusiveError(f"{_shown(path)} is not a valid baseline: {error}.") from error


def write(path: Path, entry: Baseline) -> bool:
    """Writes the file; returns whether it changed. Atomic: another process reads the old file or the new one.

    Raises InconclusiveError if it cannot be written, or could not be read afterwards.
    """
    content = text_of(entry).encode("utf-8", "backslashreplace")
    try:
        parse(content)
        if len(content) > LARGEST:
            raise InconclusiveError(f"it would have more than {LARGEST:,} bytes")
    except InconclusiveError as error:
        raise InconclusiveError(f"The result cannot be stored as a baseline: {error}.") from error
    with contextlib.suppress(OSError):
        if read_bytes(path, LARGEST) == content:
            return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise InconclusiveError(f"{_shown(path)} cannot be written: {error.strerror or error}.") from error
    return True


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def stored(folder: Path) -> Iterator[tuple[Path, Baseline | InconclusiveError]]:
    """Every baseline of a folder, by file name, or the error why it is not valid. A copy under another name is not."""
    for path in sorted(folder.glob("*.torch-*.json")):
        try:
            found = load(path)
        except InconclusiveError as error:
            yield path, error
            continue
        if found is not None:
            of = (folder, found.target, found.torch, found.device)
            copied = path not in (path_of(*of), _older(*of))
            copy = InconclusiveError(
                f"{_shown(path)} is a copy of {path_of(*of).name}: its name does not match its target, torch or device."
            )
            yield path, copy if copied else found


def _shown(path: Path) -> str:
    return os.path.relpath(path)
