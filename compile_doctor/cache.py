"""Answers of `check` that are known: captures, kept under everything that the run could see.

Two steps, as in ccache: what is known before the run (settings, environment, versions, machine) names a folder, and each
capture in it says which files the run looked at, and what was in them. Only where all of them are the same is it an answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from glob import glob
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import compile_doctor
from compile_doctor.asked import Settings
from compile_doctor.capture import load_capture
from compile_doctor.children import Start
from compile_doctor.errors import DoctorError
from compile_doctor.evidence import Evidence
from compile_doctor.targets import Target

SEEN = "seen.json"
MOST = 8
"""Captures kept for one target and surroundings: the branches that one goes back and forth between."""
UNUSED_DAYS = 30
# fmt: off
NOT_INPUT = frozenset({
    "_", "PWD", "OLDPWD", "SHLVL", "TERM", "COLUMNS", "LINES", "WINDOWID", "DISPLAY", "HISTFILE", "PS1", "PS2", "LS_COLORS",
    "TMUX", "TMUX_PANE", "STY", "COMPILE_DOCTOR_FILES", "TORCH_TRACE", "GITHUB_STEP_SUMMARY", "PYTEST_CURRENT_TEST",
})
# fmt: on
"""Variables that say something about the terminal or the caller, or are ours."""


class Cache:
    """One folder per user. Nothing here raises for a cache that cannot be read or written: there is then no answer."""

    def __init__(self, folder: Path | None = None) -> None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = folder or base / "compile-doctor" / "check"
        self._around = _surroundings()
        self._writing = threading.Lock()
        self.not_kept: dict[str, str] = {}
        """Target to the reason."""

    def find(self, target: Target, settings: Settings) -> Evidence | None:
        """What an earlier run saw, if every file that it looked at is as it was."""
        for entry in _newest_first(self._place(target, settings)):
            try:
                with zipfile.ZipFile(entry) as archive:
                    seen = json.loads(archive.read(SEEN))
                if seen == _state(seen["files"], seen["folders"]):
                    evidence = load_capture(entry)
                    os.utime(entry)
                    return replace(evidence, cached=True)
            except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, DoctorError):
                with contextlib.suppress(OSError):
                    entry.unlink()
        return None

    def seeing(self, start: Start) -> Start:
        """The same start, with the child asked to write down its files."""

        def started(mode: str, command: Any, environment: Mapping[str, str], timeout: float | None) -> dict[str, Any]:
            return start(mode, command, {**environment, "COMPILE_DOCTOR_FILES": "1"}, timeout)

        return started

    def keep(self, target: Target, settings: Settings, capture: Path, evidence: Evidence, before: float) -> None:
        """Keeps a capture whose children ended well and saw all their files; `not_kept` says where it does not.

        `before`: when the run began. A file that has changed since is not the one that was read.
        """
        reason = self._keep(target, settings, capture, evidence, before)
        if reason:
            self.not_kept[target.text] = reason

    def _keep(self, target: Target, settings: Settings, capture: Path, evidence: Evidence, before: float) -> str:
        runs = [rung.evidence for rung in evidence.rungs] or [evidence]
        if None in runs or any(one.attention.refused for one in runs if one):
            return "a size was not run, and how much memory is free may have decided that"
        children = [child for one in runs if one for child in one.children]
        processes = list(capture.rglob("process-*.jsonl"))
        found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(capture.rglob("files-*.json"))]
        if (
            not found
            or len(found) != len(processes)
            or any((child.ended, child.exit_code) != ("exited", 0) for child in children)
        ):
            return "a process did not come to its end"
        unseen = sorted({reason for one in found for reason in one["unseen"]})
        if unseen:
            return f"not all its files can be seen: {', '.join(unseen)}"
        files = sorted({name for one in found for name in one["files"]})
        for name in files:
            with contextlib.suppress(OSError):
                if os.stat(name).st_mtime > before:
                    return f"{name} was changed while it ran"
        seen = _state(files, sorted({name for one in found for name in one["folders"]}))
        try:
            with self._writing:
                self._write(self._place(target, settings), seen, capture)
                self._clean()
        except OSError as error:
            return f"the cache cannot be written: {error.strerror}"
        return ""

    def _place(self, target: Target, settings: Settings) -> Path:
        known = {**self._around, "target": target.text, "cwd": os.getcwd(), "settings": asdict(settings)}
        return self.folder / _digest(json.dumps(known, sort_keys=True, default=str).encode())

    def _write(self, place: Path, seen: dict[str, Any], capture: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        text = json.dumps(seen, sort_keys=True)
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=place)
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(SEEN, text)
                for one in sorted(capture.rglob("*")):
                    if one.is_file() and not one.name.startswith((".", "files-")):
                        archive.write(one, one.relative_to(capture).as_posix())
            os.replace(temporary, place / f"{_digest(text.encode())}.zip")
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        for old in list(_newest_first(place))[MOST:]:
            old.unlink(missing_ok=True)

    def _clean(self) -> None:
        for place in self.folder.iterdir():
            newest = max((entry.stat().st_mtime for entry in place.glob("*")), default=0.0)
            if newest < time.time() - UNUSED_DAYS * 86400:
                shutil.rmtree(place, ignore_errors=True)


def _newest_first(place: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(place.glob("*.zip"), key=lambda entry: entry.stat().st_mtime, reverse=True)


def _surroundings() -> dict[str, Any]:
    """All that is known before a run and may change what it finds: versions, variables, the machine, the doctor itself."""
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    ours = Path(compile_doctor.__file__).resolve().parent
    sources = sorted(file for file in ours.rglob("*") if file.suffix in (".py", ".yaml", ".json") and file.is_file())
    return {
        "doctor": [[str(file.relative_to(ours)), _of_file(str(file))] for file in sources],
        "distributions": sorted({f"{one.name} {one.version}" for one in distributions()}),
        "python": sys.version,
        "machine": [
            *platform.uname(),
            os.cpu_count(),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        ],
        "devices": [*sorted(glob("/dev/nvidia*")), _of_file("/proc/driver/nvidia/version")],
        "compiler": [compiler, compiler and os.stat(compiler).st_mtime],
        "environment": {name: value for name, value in os.environ.items() if name not in NOT_INPUT},
    }


def _state(files: Any, folders: Any) -> dict[str, Any]:
    return {"files": {name: _of_file(name) for name in files}, "folders": {name: _of_folder(name) for name in folders}}


def _of_file(name: str) -> str | None:
    """None where it is not there: that it comes is a change too."""
    try:
        return _digest(Path(name).read_bytes())
    except OSError:
        return None


def _of_folder(name: str) -> str | None:
    """Of the names in it, but hidden ones and Python's compiled files: tools come and go there."""
    try:
        return _digest(
            "\0".join(sorted(one for one in os.listdir(name) if not one.startswith((".", "__pycache__")))).encode()
        )
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
