"""What `fix` has found: what it kept, what it tried and dropped, what is left, and the files as they are now."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compile_doctor.model.findings import Finding, Location

STATES = ("kept", "dropped")
INTERRUPTED = "it was interrupted"


@dataclass(frozen=True)
class Figures:
    """One diagnosis in numbers."""

    findings: int
    graphs: int
    graph_breaks: int
    recompiles: int
    compile_seconds: float


@dataclass(frozen=True)
class Step:
    """One rewrite of one finding, tried."""

    finding: Finding
    """With its line at that time, and the original file."""
    rewrite: str
    title: str
    state: str
    reason: str = ""
    """Why it was dropped."""
    key: str = ""
    """Names the files and options that were tried."""


@dataclass(frozen=True)
class Left:
    """A finding that is still there."""

    finding: Finding
    reason: str


@dataclass(frozen=True)
class Mended:
    """The outcome of `fix`."""

    target: str
    cwd: str
    environment: Mapping[str, Any]
    verdict: tuple[str, str]
    """The verdicts of the diagnosis, before and after."""
    before: Figures
    after: Figures
    steps: tuple[Step, ...]
    left: tuple[Left, ...]
    files: Mapping[str, tuple[str, str]]
    """The files that changed: (old text, new text), by path."""
    compiling: Mapping[str, Any] = field(default_factory=dict)
    """Options of torch.compile that were kept."""
    cases: tuple[int, int] = (0, 0)
    """On how many inputs the kept files were compared in eager mode, and compiled; the target's own are the first."""
    gradients: int = 0
    """On how many of these inputs gradients were compared too."""
    seconds: tuple[float, float] | None = None
    """Median seconds of one compiled call, before and after; None if it was not measured."""
    untimed: str = ""
    """Why there is no time, if it was to be measured."""
    unlike: tuple[str, ...] = ()
    """What is not the same although all outputs are equal, such as messages that compiled code leaves out."""
    notes: tuple[str, ...] = ()
    unfinished: str = ""
    """Why the search ended before it was done; empty if it was done."""
    written: tuple[str, ...] = ()
    """The files that were written."""
    vendor: str = ""
    """The folder with patched packages; empty if there is none."""

    @property
    def kept(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.state == "kept")

    @property
    def exit_code(self) -> int:
        """0 if no finding of severity error is left, 1 if there is, 3 without a verdict, 130 after Ctrl-C."""
        if self.unfinished == INTERRUPTED:
            return 130
        if self.verdict[1] == "inconclusive":
            return 3
        return int(any(one.finding.severity == "error" for one in self.left))

    def with_written(self, files: Sequence[str], packages: Sequence[str], vendor: Path | None) -> Mended:
        return replace(self, written=(*files, *packages), vendor=str(vendor) if packages else "")

    def near(self, finding: Finding) -> Finding:
        """The finding, with paths relative to the working directory."""

        def move(place: Location | None) -> Location | None:
            return replace(place, file=short(place.file, self.cwd)) if place else None

        return replace(finding, location=move(finding.location), via=move(finding.via))

    def patch(self) -> str:
        """All changes as a unified diff that `git apply` and `patch -p1` take."""
        return "".join(diff(short(path, self.cwd), old, new) for path, (old, new) in sorted(self.files.items()))


def short(path: str, cwd: str) -> str:
    """Relative to the working directory if it is in it; else absolute."""
    prefix = cwd.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else path


def diff(name: str, old: str, new: str) -> str:
    """A unified diff of one file."""
    relative = name.lstrip(os.sep)
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{relative}", f"b/{relative}"
    )
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


@dataclass(frozen=True)
class Hunk:
    """Lines of a file that are replaced: `first` to `last` of the old text, from 1; `last` is before `first` if none are."""

    first: int
    last: int
    text: str
    """The new lines, each with its end; empty if lines are only deleted."""


def hunks(old: str, new: str) -> list[Hunk]:
    """The changes of one file, in order."""
    a, b = old.splitlines(keepends=True), new.splitlines(keepends=True)
    codes = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return [Hunk(i1 + 1, i2, "".join(b[j1:j2])) for tag, i1, i2, j1, j2 in codes if tag != "equal"]
