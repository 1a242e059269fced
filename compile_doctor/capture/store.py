"""Writes a capture: a folder that the children fill while they run, and that is sealed when they have ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compile_doctor.capture.load import merged, started
from compile_doctor.capture.members import SEAL, Members
from compile_doctor.capture.reading import encode
from compile_doctor.capture.runs import UNREADABLE, read_run
from compile_doctor.capture.schema import CAPTURE, Manifest, RungListed, StartListed
from compile_doctor.capture.seal import make_seal
from compile_doctor.capture.sources import read_sources, roots_of
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child, Evidence, Rung


class CaptureDirectory:
    """Is made, filled by the children, read to decide whether another child is needed, and closed once."""

    def __init__(self, path: Path, asked: Asked) -> None:
        """Raises CaptureError if the directory cannot be made, or contains something else."""
        self.path = path
        self.asked = asked
        self._seen: tuple[tuple[Child, ...], Evidence, Members | None] | None = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            _clear(path)
            (path / "trace").mkdir(exist_ok=True)
            self._write("capture.json", Manifest(CAPTURE, asked))
        except OSError as error:
            raise CaptureError(
                f"The capture {path} cannot be written: {error.strerror}.", hint="Choose another --capture DIR."
            ) from error

    def read(self, children: tuple[Child, ...]) -> Evidence:
        """The evidence until these children had ended; read only once for the same children."""
        return self._read(children)[0]

    def forget(self) -> None:
        """What was read is read again: something was added that is not the work of one of the children."""
        self._seen = None

    def close(self, children: tuple[Child, ...]) -> Evidence:
        """Reads the evidence, writes how the children ended and the sources for findings, and seals the capture."""
        evidence, members = self._read(children)
        if members is None:
            return evidence
        evidence = replace(evidence, sources=read_sources(evidence, roots_of(evidence)))
        files = {"sources.json": evidence.sources, "capture.json": Manifest(CAPTURE, self.asked, children)}
        return self._seal(evidence, members, files)

    def close_rungs(self, rungs: list[Rung]) -> Evidence:
        """Writes the list of the sizes, each a sealed capture in its folder `rung_name`, and seals them together."""
        evidence = merged(self.asked, rungs)
        assert evidence is not None, "the smallest size is always run"
        try:
            (self.path / "trace").rmdir()
            members = Members(self.path)
        except OSError as error:
            return replace(evidence, damage=(*evidence.damage, _gone(error)))
        listed = tuple(
            RungListed(one.tokens, rung_name(one.tokens) if one.evidence else None, one.reason or None, one.predicted)
            for one in rungs
        )
        return self._seal(evidence, members, {"capture.json": Manifest(CAPTURE, self.asked, rungs=listed)})

    def close_starts(self, starts: Mapping[str, Sequence[Evidence]]) -> Evidence:
        """Writes the list of the starts of `coldstart`, each a sealed capture in its folder, and seals them together."""
        evidence = started({name: ones[0] for name, ones in starts.items()}, self.asked)
        try:
            (self.path / "trace").rmdir()
            members = Members(self.path)
        except OSError as error:
            return replace(evidence, damage=(*evidence.damage, _gone(error)))
        listed = tuple(StartListed(name, number) for name, ones in starts.items() for number in range(1, len(ones) + 1))
        return self._seal(evidence, members, {"capture.json": Manifest(CAPTURE, self.asked, starts=listed)})

    def _read(self, children: tuple[Child, ...]) -> tuple[Evidence, Members | None]:
        if self._seen is None or self._seen[0] != children:
            try:
                members = Members(self.path)
                self._seen = children, read_run(members, self.asked, children, False), members
            except (CaptureError, *UNREADABLE) as error:  # the target deleted it, or made it unreadable
                self._seen = children, Evidence(self.asked, children=children, damage=(_gone(error),)), None
        return self._seen[1:]

    def _seal(self, evidence: Evidence, members: Members, files: dict[str, Any]) -> Evidence:
        """Writes the files and the seal. If that fails, the evidence has the damage, so the report is not a pass."""
        try:
            for name, record in files.items():
                self._write(name, record)
                members.forget(name)
            self._write(SEAL, make_seal(members))
        except UNREADABLE as error:
            text = f"it could not be completed: {getattr(error, 'strerror', None) or error}"
            return replace(evidence, damage=(*evidence.damage, text))
        return replace(evidence, damage=(*evidence.damage, *(f"{n} {why}" for n, why in members.refused.items())))

    def _write(self, name: str, record: Any) -> None:
        temporary = self.path / f".{name}.part"
        temporary.write_bytes(encode(record))
        os.replace(temporary, self.path / name)


def rung_name(tokens: int) -> str:
    """The folder of one size's capture within the capture of all sizes."""
    return f"rung-{tokens}"


def _gone(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"its folder cannot be read: {reason}. The target may have deleted it"


def _clear(path: Path) -> None:
    """Deletes an earlier capture in the folder. Raises CaptureError if the folder has anything else."""
    held = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    if not held:
        return
    if not (path / "capture.json").exists():
        raise CaptureError(
            f"{path} exists and is not a capture.", hint="Choose a new or empty directory for --capture."
        )
    for pattern in (
        SEAL,
        "process-*.jsonl",
        "standing-*.txt",
        "trace/*.log",
        "bytecode/*.py",
        "sources.json",
        "capture.json*",
    ):
        for entry in path.glob(pattern):
            entry.unlink()
    for folder in ("rung-*", "start-*", "with-recipes"):
        for entry in path.glob(folder):
            if (entry / "capture.json").exists() and not entry.is_symlink():
                shutil.rmtree(entry)
