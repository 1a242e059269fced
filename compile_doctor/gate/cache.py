"""The cache of `check`: captures of earlier runs, stored under everything that the run depended on.

Two steps, as in ccache: what is known before the run (settings, environment, versions, machine) names a folder. Each
capture in it lists the files that the run read, and their contents. It is used only if all of them are unchanged.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from glob import glob
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

import compile_doctor
from compile_doctor.capture.load import load_capture
from compile_doctor.capture.safe_files import UnsafeFileError, read_bytes
from compile_doctor.gate.cache_folder import default_folder, exposed, make_private, newest_first, remove_unused
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.seen_files import Content, Seen, look
from compile_doctor.processes.children import Start
from compile_doctor.report.make import make_report
from compile_doctor.report.proof import lost
from compile_doctor.targets.target import Target

SCHEMA = "compile-doctor/check-cache/1"
SEEN = "seen.json"
CAPTURE = "capture/"
MOST = 8
"""Captures kept for one target and environment, for switching between several branches."""
UNUSED_DAYS = 30
LARGEST = 64 << 20
"""Largest size of an entry, and of a list of files, in bytes."""
UNPACKED = 512 << 20
# fmt: off
NOT_INPUT = frozenset({
    "_", "PWD", "OLDPWD", "SHLVL", "TERM", "COLUMNS", "LINES", "WINDOWID", "DISPLAY", "HISTFILE", "PS1", "PS2", "LS_COLORS",
    "TMUX", "TMUX_PANE", "STY", "COMPILE_DOCTOR_FILES", "TORCH_TRACE", "GITHUB_STEP_SUMMARY", "PYTEST_CURRENT_TEST",
})
# fmt: on
"""Environment variables about the terminal or the caller, or of compile-doctor: they do not change a result."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`seen.json` of an entry: what was run, and the files that the run read."""

    schema: str
    place: str
    """Name of its folder: the digest of everything that was known before the run."""
    target: str
    options: dict[str, Any]
    cwd: str
    doctor: str
    files: dict[str, Content]


class NotKeptError(Exception):
    """The reason why a run is not kept, in one sentence."""


class Cache:
    """One folder per user. Nothing here raises if the cache cannot be read or written: the target is run instead."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        """None if the user has no folder for caches."""
        self._parents = () if folder or self.folder is None else (self.folder.parent,)
        self._began = time.time()
        self._around = _surroundings()
        self._writing = threading.Lock()
        self.not_kept: dict[str, str] = {}
        """Reasons by target."""
        self.refused: set[str] = set()
        """Entries that exist but were not used, with the reason."""

    def find(self, target: Target, settings: Settings) -> Evidence | None:
        """The evidence of an earlier run, if every file that it read is unchanged; else None."""
        asked = self._asked(target, settings)
        for path in self._entries(asked):
            try:
                entry = _read(path, asked)
                if all(look(name, then.size).content == then for name, then in entry.files.items()):
                    evidence = load_capture(path)
                    if (
                        evidence.asked.options != settings
                        or evidence.target != target.text
                        or not _conclusive(evidence)
                    ):
                        raise ValueError("it is the result of another run")
                    with contextlib.suppress(OSError):
                        os.utime(path)
                    return replace(evidence, cached=True)
            except Exception:  # damaged in any way: the entry is deleted, and the target is run
                with contextlib.suppress(OSError):
                    path.unlink()
        return None

    def seeing(self, start: Start) -> Start:
        """`start`, with a variable that makes the child record its files."""

        def started(mode: str, command: Any, environment: Mapping[str, str], timeout: float | None) -> dict[str, Any]:
            return start(mode, command, {**environment, "COMPILE_DOCTOR_FILES": "1"}, timeout)

        return started

    def keep(self, target: Target, settings: Settings, capture: Path, evidence: Evidence, before: float) -> None:
        """Keeps a capture that has a verdict, if its children succeeded and recorded all files; else sets `not_kept`.

        `before` is when the run began (seconds since the epoch). A file that changed later may not be the one it read.
        """
        try:
            if self.folder is None:
                raise NotKeptError("there is no home directory. Set HOME or XDG_CACHE_HOME to an absolute path")
            _check(evidence)
            files = self._unchanged(_seen(capture), before)
            asked = self._asked(target, settings)
            with self._writing:
                self._write(self.folder, Entry(**asked, files=files), capture)
                remove_unused(self.folder, UNUSED_DAYS)
        except NotKeptError as error:
            self.not_kept[target.text] = str(error)
        except UnicodeEncodeError:
            self.not_kept[target.text] = "the name of its folder is not valid UTF-8"
        except OSError as error:
            self.not_kept[target.text] = f"the cache cannot be written: {error.strerror or error}"

    def notes(self) -> list[str]:
        """The notes that `check -v` shows."""
        kept = [f"{name} is not kept in the cache: {reason}" for name, reason in sorted(self.not_kept.items())]
        return kept + [f"not used from the cache: {reason}" for reason in sorted(self.refused)]

    def _asked(self, target: Target, settings: Settings) -> dict[str, Any]:
        """The fields of an Entry that have to match."""
        known = {"target": target.text, "cwd": os.getcwd(), "options": asdict(settings)}
        place = _digest(json.dumps({**self._around, **known}, sort_keys=True, default=str).encode())
        return {"schema": SCHEMA, "place": place, "doctor": compile_doctor.__version__, **known}

    def _entries(self, asked: Mapping[str, Any]) -> Iterator[Path]:
        """The entries of this folder, the newest first, except those that other users could have written."""
        if self.folder is None:
            return
        place = self.folder / asked["place"]
        if self._exposed(place):
            return  # `keep` reports it
        for path in newest_first(place):
            reason = exposed(path)
            if reason:
                self.refused.add(reason)
            else:
                yield path

    def _exposed(self, place: Path) -> str:
        return next(filter(None, map(exposed, (*self._parents, place.parent, place))), "")

    def _unchanged(self, seen: list[Seen], before: float) -> dict[str, Content]:
        """The contents of the files, if they are unchanged since they were opened. Raises NotKeptError."""
        unseen = sorted({reason for one in seen for reason in one.unseen})
        if unseen:
            raise NotKeptError(f"not all files that it read are known: {', '.join(unseen)}")
        files: dict[str, Content] = {}
        for one in seen:
            for name, then in one.files.items():
                since = min(before, self._began) if name in one.early else before
                if then.changed > since * 1e9 or look(name, then.content.size) != then:
                    raise NotKeptError(f"{name} was changed while it ran")
                files[name] = then.content
        if not any(content.kind == "file" for content in files.values()):
            raise NotKeptError("no source file was recorded")
        return files

    def _write(self, folder: Path, entry: Entry, capture: Path) -> None:
        place = folder / entry.place
        make_private(place)
        reason = self._exposed(place)
        if reason:
            raise NotKeptError(f"nothing is written to {reason}")
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=place)
        try:
            with (
                os.fdopen(handle, "wb") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive,
            ):
                archive.writestr(SEEN, _encode(entry))
                for one in sorted(capture.rglob("*")):
                    if one.is_file() and not one.is_symlink() and not one.name.startswith((".", "files-")):
                        archive.write(one, CAPTURE + one.relative_to(capture).as_posix())
            os.replace(temporary, place / f"{_digest(read_bytes(Path(temporary), LARGEST))}.zip")
        except UnsafeFileError as error:
            os.unlink(temporary)
            raise NotKeptError(f"its capture is too large: {error}") from None
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        for old in list(newest_first(place))[MOST:]:
            old.unlink(missing_ok=True)


def _read(path: Path, asked: Mapping[str, Any]) -> Entry:
    """A complete entry that matches `asked`. Raises any exception for another."""
    content = read_bytes(path, LARGEST)
    if path.stem != _digest(content):
        raise ValueError("its content does not match its name")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [one.filename for one in archive.infolist()]
        if len(set(names)) != len(names) or not all(name == SEEN or name.startswith(CAPTURE) for name in names):
            raise ValueError("it has unexpected members")
        if sum(one.file_size for one in archive.infolist()) > UNPACKED:  # zipfile reads no more than this size
            raise ValueError("it is too large")
        text = archive.read(SEEN)
    entry = msgspec.json.decode(text, type=Entry)
    if not entry.files or _encode(msgspec.structs.replace(entry, **asked)) != text:
        raise ValueError("it is the result of another run")
    return entry


def _encode(entry: Entry) -> bytes:
    return msgspec.json.encode(entry, order="deterministic")


def _check(evidence: Evidence) -> None:
    """Raises NotKeptError for a run that may have another result next time."""
    runs = [rung.evidence for rung in evidence.rungs] or [evidence]
    if None in runs or any(one.attention.refused for one in runs if one):
        raise NotKeptError("a size was not run, which may depend on how much memory was free")
    children = [child for one in runs if one for child in one.children]
    if any((child.ended, child.exit_code) != ("exited", 0) for child in children):
        raise NotKeptError("a process did not finish successfully")
    if not _conclusive(evidence):
        raise NotKeptError("it is inconclusive")


def _conclusive(evidence: Evidence) -> bool:
    """Whether it has a verdict and no evidence is lost: with lost evidence, findings may be missing."""
    return not lost(evidence) and make_report(evidence).verdict in ("healthy", "unhealthy")


def _seen(capture: Path) -> list[Seen]:
    """The files that each process of a capture recorded. Raises NotKeptError if one recorded none."""
    found = []
    for process in sorted(capture.rglob("process-*.jsonl")):
        try:
            content = read_bytes(process.with_name(f"files-{process.stem.removeprefix('process-')}.json"), LARGEST)
            found.append(msgspec.json.decode(content, type=Seen))
        except FileNotFoundError:
            raise NotKeptError("a process did not finish successfully") from None
        except (OSError, ValueError) as error:  # msgspec's errors too
            raise NotKeptError(f"its list of files cannot be read: {error}") from None
    if not found:
        raise NotKeptError("a process did not finish successfully")
    return found


def _surroundings() -> dict[str, Any]:
    """What is known before a run and may change its result: versions, variables, the machine, compile-doctor itself."""
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    ours = Path(compile_doctor.__file__).resolve().parent
    sources = sorted(file for file in ours.rglob("*") if file.suffix in (".py", ".yaml", ".json") and file.is_file())
    return {
        "doctor": [[str(file.relative_to(ours)), _of_file(file)] for file in sources],
        "distributions": sorted({f"{one.name} {one.version}" for one in distributions()}),
        "python": sys.version,
        "machine": [
            *platform.uname(),
            os.cpu_count(),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        ],
        "devices": [*sorted(glob("/dev/nvidia*")), _of_file(Path("/proc/driver/nvidia/version"))],
        "compiler": [compiler, compiler and os.stat(compiler).st_mtime],
        "environment": {name: value for name, value in os.environ.items() if name not in NOT_INPUT},
    }


def _of_file(path: Path) -> str:
    try:
        return _digest(read_bytes(path, LARGEST))
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
