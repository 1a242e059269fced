"""One comparison of a copy with the original, in a child: on the target's own inputs and on others, eager and compiled."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compile_doctor.capture.reading import decode_event
from compile_doctor.mend.copies import Copy
from compile_doctor.model.asked import Settings
from compile_doctor.processes.children import Start, child_environment

Steps = Mapping[tuple[int, int], int]
"""How often a line ran directly after another one of its function; the first line of a call after line 0."""


@dataclass(frozen=True)
class Wanted:
    """What is compared, and with what; `compile_doctor.probe.equality.run` explains each."""

    reference: Path
    """The file with the runs of the original."""
    cases: int
    seconds: tuple[float, float]
    record: bool = False
    """Whether these are the runs of the original, with which all others are compared."""
    ignored: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """What it showed."""

    differences: tuple[str, ...]
    """In eager mode, then compiled; also how the child ended, if it wrote nothing."""
    ran: Mapping[str, Steps]
    """How often each line of each file ran after which other one, on all inputs together."""
    cases: tuple[int, int] = (0, 0)
    gradients: int = 0
    notes: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    """Names of state that differs."""
    error: str = ""
    """With which exception the original failed on the target's own inputs."""


def run(
    copy: Copy, settings: Settings, wanted: Wanted, directory: Path, start: Start, limit: float
) -> tuple[Mapping[str, Any], Compared | None]:
    """How the child ended, and what it found; None if it wrote nothing."""
    result = directory / "result.json"
    target = copy.target
    given = {
        **asdict(settings),
        **asdict(wanted),
        "run": "equality",
        "target": target.text,
        "path": str(target.path) if target.path else None,
        "module": target.module,
        "attr": target.attr,
        "search": list(target.search),
        "directory": str(directory),
        "files": list(copy.places),
        "reference": str(wanted.reference),
        "result": str(result),
    }
    file = directory / "settings.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    command = [sys.executable, "-m", "compile_doctor.probe", str(file)]
    ended = start("diagnose", command, child_environment(os.environ, None), limit)
    return ended, _read(copy, json.loads(result.read_text(encoding="utf-8"))) if result.is_file() else None


def _read(copy: Copy, found: Mapping[str, Any]) -> Compared:
    """The result, with the paths of the originals. That of a recording has no differences."""
    return Compared(
        differences=(*found.get("eager", ()), *found.get("compiled", ())),
        ran={
            copy.original(file): {(before, line): count for before, line, count in steps}
            for file, steps in found["lines"].items()
        },
        cases=(found["cases"], found.get("compiled_cases", 0)),
        gradients=found["gradients"],
        notes=tuple(found.get("notes", ())),
        state=tuple(found.get("state", ())),
        error=found.get("error", ""),
    )


def how(ended: Mapping[str, Any], directory: Path) -> str:
    """How a child has ended: by a signal, by the time limit, or with an exception, which is in its events."""
    if ended["signal"] or ended["ended"] == "timeout":
        return ended["signal"] or "time limit"
    lines = [line for file in directory.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    for line in reversed(lines):
        if b'"probe-error"' in line:
            error = decode_event(line).chain[0]
            return f"{error.type}: {error.message:.200}"
    return f"status {ended['exit_code']}"
