"""A capture on disk: what one diagnosis saw, written as it happens and read again by `report`, with no torch.

    capture.json         what was asked for, and how the child processes ended
    process-PID.jsonl    the probe's events, one file per process
    trace/*.log          torch's structured trace, one file per process
    sources.json         the text of the files that findings point to
    bytecode/*.py        what depyf made of the frames that broke (only with --capture)
    rung-TOKENS/         with --tokens: the same again for each size that was run

A directory, or the same in a .zip. A directory of TORCH_TRACE files alone is read too.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from compile_doctor import places
from compile_doctor.errors import CaptureError
from compile_doctor.events import EventReader
from compile_doctor.evidence import Evidence, Rung
from compile_doctor.trace import Trace, read_stream

SCHEMA = "compile-doctor/capture/1"
LARGEST_SOURCE = 1_000_000


class CaptureDirectory:
    """The writing side: a directory that is filled while the children run."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        """Raises CaptureError where the directory cannot be made, or holds something else."""
        self.path = path
        self.manifest = {"schema": SCHEMA, **manifest}
        try:
            path.mkdir(parents=True, exist_ok=True)
            _clear(path)
            (path / "trace").mkdir(exist_ok=True)
            self._write("capture.json", self.manifest)
        except OSError as error:
            raise CaptureError(
                f"The capture {path} cannot be written: {error.strerror}.", hint="Choose another --capture DIR."
            ) from error

    def finish(self, children: list[dict[str, Any]]) -> Evidence:
        """Writes how the children ended and the sources that findings may point to, and reads everything back."""
        self.manifest["children"] = children
        self._write("capture.json", self.manifest)
        evidence = load_capture(self.path)
        sources = read_sources(evidence)
        self._write("sources.json", sources)
        return replace(evidence, sources=sources)

    def finish_rungs(self, rungs: list[dict[str, Any]]) -> Evidence:
        """Writes which sizes were run, each a capture in a directory of its own, and reads all of them back."""
        self.manifest["rungs"] = rungs
        self._write("capture.json", self.manifest)
        (self.path / "trace").rmdir()
        return load_capture(self.path)

    def _write(self, name: str, value: Any) -> None:
        temporary = self.path / (name + ".part")
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(temporary, self.path / name)


def _clear(path: Path) -> None:
    """An earlier capture in the same place is replaced; anything else is left alone and refused."""
    held = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    if not held:
        return
    if not (path / "capture.json").exists():
        raise CaptureError(f"{path} exists and is no capture.", hint="Choose a new or empty directory for --capture.")
    for pattern in ("process-*.jsonl", "trace/*.log", "bytecode/*.py", "sources.json", "capture.json*"):
        for entry in path.glob(pattern):
            entry.unlink()
    for entry in path.glob("rung-*"):
        if (entry / "capture.json").exists():
            shutil.rmtree(entry)


def read_sources(evidence: Evidence) -> dict[str, str]:
    """The files on disk that the evidence names and that are not torch's."""
    names: dict[str, None] = dict.fromkeys(evidence.manifest.get("files") or ())
    root = evidence.environment.get("torch_root")
    stacks = [item.stack for item in evidence.breaks]
    stacks += [link.stack for failure in evidence.failures for link in failure.chain]
    for stack in stacks:
        names.update(dict.fromkeys(frame.file for frame in stack))
    for compilation in evidence.compilations:
        names[compilation.file] = None
        names.update(dict.fromkeys(frame.file for frame in compilation.stack[-4:]))
    found = {}
    names.update((one.explained.frame.file, None) for one in evidence.comparisons if one.explained)
    for name in sorted(names):
        if places.owner(name, root) != "torch" and not places.is_stdlib(name):
            text = _text(Path(name))
            if text is not None:
                found[name] = text
    return found


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size <= LARGEST_SOURCE:
            return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        pass
    return None


class _Files:
    """The reading side: the same few calls for a directory and for a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zip = zipfile.ZipFile(path) if path.is_file() else None
        self.prefix = self._prefix()

    def below(self, folder: str) -> _Files:
        """The files of a folder, as a capture of its own."""
        found = _Files(self.path if self.zip else self.path / folder)
        found.prefix = f"{self.prefix}{folder}/" if self.zip else ""
        return found

    def _prefix(self) -> str:
        # `zip -r run1.zip run1` puts everything below `run1/`.
        held = self.zip.namelist() if self.zip else []
        inside = sorted((name for name in held if name.endswith("/capture.json")), key=len)
        return inside[0].removesuffix("capture.json") if "capture.json" not in held and inside else ""

    def names(self) -> list[str]:
        if self.zip:
            below = (name for name in self.zip.namelist() if name.startswith(self.prefix) and not name.endswith("/"))
            return sorted(name.removeprefix(self.prefix) for name in below)
        return sorted(entry.relative_to(self.path).as_posix() for entry in self.path.rglob("*") if entry.is_file())

    def open(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self.zip.open(self.prefix + name)) if self.zip else (self.path / name).open("rb")

    def first_bytes(self, name: str) -> bytes:
        """Of a trace: `V<date> <time>` of its first record."""
        with self.open(name) as stream:
            return stream.read(21)

    def read(self, name: str) -> str:
        with self.open(name) as stream:
            return stream.read().decode(errors="replace")


def load_capture(path: Path) -> Evidence:
    """Reads a capture, or what is left of one. Raises CaptureError where there is nothing to read."""
    if not path.exists():
        raise CaptureError(
            f"{path} does not exist.", hint="Make a capture with: compile-doctor diagnose TARGET --capture DIR"
        )
    try:
        return _load(_Files(path))
    except zipfile.BadZipFile as error:
        raise CaptureError(
            f"{path} is neither a directory nor a readable .zip: {error}.", hint="Was it copied whole?"
        ) from error
    except (zlib.error, EOFError, RuntimeError, NotImplementedError, KeyError) as error:
        raise CaptureError(
            f"{path} is damaged: {error}.", hint="Was it copied whole, and is it not encrypted?"
        ) from error
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror or error}.") from error


def _load(files: _Files) -> Evidence:
    names = files.names()
    notes: list[str] = []
    manifest = _json(files, "capture.json", names, notes)
    schema = str(manifest.get("schema", SCHEMA))
    if schema != SCHEMA:
        raise CaptureError(
            f"{files.path} was written with schema {schema}; this compile-doctor reads {SCHEMA}.",
            hint="Upgrade: pip install --upgrade compile-doctor",
        )
    if manifest.get("rungs"):
        return _load_rungs(files, manifest, notes)
    traces = [name for name in names if name.endswith(".log") and (name.startswith("trace/") or "torch_trace" in name)]
    if not traces and not manifest:
        raise CaptureError(
            f"{files.path} holds no capture and no torch trace.",
            hint="A capture has a capture.json; a trace, files from TORCH_TRACE.",
        )
    trace = Trace()
    for name in sorted(traces, key=lambda name: (files.first_bytes(name), name)):  # by time: parents before their forks
        with files.open(name) as stream:
            read_stream(stream, trace)
    events = EventReader(notes)
    for name in names:
        if name.startswith("process-") and name.endswith(".jsonl"):
            events.read(name, files.read(name))
    sources = _json(files, "sources.json", names, notes)
    evidence = events.evidence(manifest, trace)
    # A bare trace has no sources of its own: the files may still be where they were.
    return replace(
        evidence,
        sources=sources or (read_sources(evidence) if not manifest else {}),
        bytecode=dict(_bytecode(files, names, events)),
    )


def _load_rungs(files: _Files, manifest: dict[str, Any], notes: list[str]) -> Evidence:
    """The evidence of the largest size that was run, with that of all sizes in `rungs`."""
    rungs = []
    for listed in manifest["rungs"]:
        evidence = _load(files.below(listed["directory"])) if listed.get("directory") else None
        rungs.append(Rung(int(listed["tokens"]), evidence, str(listed.get("reason") or ""), listed.get("predicted")))
    ran = [rung for rung in rungs if rung.evidence is not None]
    if not ran or ran[0].evidence is None or ran[-1].evidence is None:
        raise CaptureError(f"{files.path} holds no size that was run.", hint="Was it copied whole?")
    first, last = ran[0].evidence, ran[-1].evidence
    if first is last:
        return replace(last, rungs=tuple(rungs), manifest={**last.manifest, "options": manifest["options"]})
    # The eager control is dense by nature: it runs at the smallest size only.
    return replace(
        last,
        rungs=tuple(rungs),
        manifest={
            **last.manifest,
            "options": manifest.get("options", {}),
            "compared_at": ran[0].tokens,
            **{name: first.manifest.get(name) for name in ("not_compared", "unlike", "largest_output", "random")},
        },
        phases={**first.phases, **last.phases},
        seconds={**{name: value for name, value in first.seconds.items() if name == "eager"}, **last.seconds},
        failures=(*last.failures, *(failure for failure in first.failures if failure.phase == "eager")),
        max_difference=first.max_difference,
        comparisons=first.comparisons,
        notes=(*notes, *last.notes),
    )


def _bytecode(files: _Files, names: list[str], events: EventReader) -> Iterator[tuple[str, Any]]:
    for entry in events.bytecode:
        name = f"bytecode/{entry.get('text')}"
        text = files.read(name) if name in names else None
        key = f"{entry.get('file')}:{entry.get('function')}:{entry.get('line')}"
        yield key, {"text": text, "note": entry.get("note"), "path": name if text else None}


def _json(files: _Files, name: str, names: list[str], notes: list[str]) -> dict[str, Any]:
    if name not in names:
        return {}
    try:
        value = json.loads(files.read(name))
        return value if isinstance(value, dict) else {}
    except ValueError:
        notes.append(f"{name} is cut off or damaged and was left out")
        return {}
