"""Decides whether changed files are better, by running them: the diagnosis again, and the comparison with the original."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from compile_doctor.capture.reading import decode_event
from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend.copies import Copies, Copy
from compile_doctor.mend.result import Figures
from compile_doctor.mend.site import Candidate, Lines
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.processes.children import Start, child_environment
from compile_doctor.report.make import Report, make_report
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import not_a_target

Texts = Mapping[str, str]
"""The texts of changed files, by path."""
Steps = Mapping[tuple[int, int], int]
"""How often a line ran directly after another one of its function; the first line of a call after line 0."""
OF_MACHINE = ("machine", "patches")
"""Categories of findings that no change of the user's files is about."""
SHARES = (1 / 15, 1 / 60)
"""Parts of the budget for the runs of one comparison in eager mode, and compiled: a search makes dozens of them."""


@dataclass(frozen=True)
class State:
    """Files and options, with what a diagnosis of them showed."""

    texts: Texts
    compiling: Mapping[str, Any]
    report: Report
    findings: tuple[Finding, ...]
    """Those that are about the target, with the paths of the originals."""
    ran: Mapping[str, Steps]
    """How often each line of each file ran after which other one, on all inputs together."""
    notes: tuple[str, ...] = ()
    cases: tuple[int, int] = (0, 0)
    gradients: int = 0
    """On how many inputs gradients were compared too."""
    made: tuple[str, ...] = ()
    """Attributes that its rewrites make early."""
    taken: int = 1
    """How many rewrites led to it from the state before."""

    @classmethod
    def of(cls, report: Report) -> State:
        """The unchanged files, of which only the diagnosis is known."""
        return cls({}, {}, report, _about(report, None), {})

    @property
    def figures(self) -> Figures:
        summary = self.report.summary
        names = ("graphs", "graph_breaks", "recompiles", "compile_seconds")
        return Figures(len(self.findings), *(summary[name] for name in names))


@dataclass(frozen=True)
class Verdict:
    """The new state if it is better; else why it is not."""

    state: State | None
    reason: str = ""
    there: tuple[Finding, ...] = ()
    """The findings that should be gone and are not."""


class OutOfTimeError(Exception):
    """The budget has ended."""


class Judge:
    """Runs copies of the files; `original` and `better` are what the search asks."""

    def __init__(
        self, settings: Settings, folder: Path, start: Start, progress: Progress, cases: int, until: float
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.start = _silent(start, folder / "output.txt")
        self.progress = progress
        self.cases = cases
        self.until = until
        self.budget = until - time.monotonic()
        self.copies: Copies
        self.ignored: list[str] | None = None
        """State that differs from run to run of the unchanged files; None as long as nothing has differed."""
        self._count = 0

    def left(self) -> float:
        """Seconds until the budget ends. Raises OutOfTimeError if none are left."""
        left = self.until - time.monotonic()
        if left < 1.0:
            raise OutOfTimeError
        return left

    def original(self, copies: Copies, report: Report) -> State:
        """The unchanged files, after their diagnosis; records their runs, with which all others are compared."""
        self.copies = copies
        found = self._compare(copies.make({}), {}, record=True)
        if found.get("error"):
            raise InconclusiveError(
                f"Nothing was changed, because a copy of the target fails without torch.compile too: {found['error']}"
            )
        return replace(State.of(report), ran=found["ran"], cases=(found["cases"], 0))

    def again(self, texts: Texts, compiling: Mapping[str, Any]) -> State:
        """Any files and options, diagnosed with what is asked for now."""
        copy = self.copies.make(texts)
        report = self._diagnosed(copy, compiling)
        return State(texts, compiling, report, _about(report, copy), {})

    def compared(self, state: State) -> State:
        """A state that was kept by an earlier search, with what the comparison shows. Raises InconclusiveError if it differs."""
        found = self._compare(self.copies.make(state.texts), state.compiling, record=False, made=state.made)
        wrong = [*found["eager"], *found["compiled"]]
        if wrong:
            raise InconclusiveError(f"--resume: the files that an earlier search kept differ now: {wrong[0]}.")
        return _seen(state, found)

    def better(
        self, old: State, findings: Sequence[Finding], texts: Texts, compiling: Mapping[str, Any], made: Sequence[str]
    ) -> Verdict:
        """Whether these files are better than the old state: `findings` gone, nothing new, all that is seen equal."""
        copy = self.copies.make(texts)
        report = self._diagnosed(copy, compiling)
        about = _about(report, copy)
        new = State(texts, compiling, report, about, {}, made=(*old.made, *made), taken=len(findings))
        reason = _worse(old, new, findings)
        if reason:
            return Verdict(None, reason, _still_there(old, new, findings))
        found = self._compare(copy, compiling, record=False, made=new.made)
        if found.get("state") and self.ignored is None:
            # a temporary folder, a time: state that two runs of the unchanged files do not share either
            self.ignored = self._compare(self.copies.make({}), {}, record=False).get("state", [])
            found = self._compare(copy, compiling, record=False, made=new.made) if self.ignored else found
        wrong = [*found["eager"], *found["compiled"]]
        if wrong:
            return Verdict(None, wrong[0] + (f" and {len(wrong) - 1} more differences" if wrong[1:] else ""))
        return Verdict(_seen(new, found))

    def _diagnosed(self, copy: Copy, compiling: Mapping[str, Any]) -> Report:
        settings = replace(self.settings, **compiling, timeout=min(self.settings.timeout, self.left()))
        directory = self._directory("run")
        evidence = diagnose(copy.target, settings, directory, False, Progress(quiet=True), self.start)
        if evidence.facts.usage or evidence.facts.not_a_target:
            raise UsageError(evidence.facts.usage or evidence.facts.not_a_target, hint=not_a_target())
        self._in_time(evidence.children[-1].ended)
        report = make_report(of_user(evidence, copy))
        shutil.rmtree(directory, ignore_errors=True)  # a search may run a hundred times
        return report

    def _compare(
        self, copy: Copy, compiling: Mapping[str, Any], record: bool, made: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Runs the comparison in a child; returns what it wrote, or a difference that says how it ended."""
        directory = self._directory("compare")
        result = directory / "result.json"
        settings = replace(self.settings, **compiling)
        wanted = {
            **asdict(settings),
            "run": "equality",
            "target": copy.target.text,
            "path": str(copy.target.path) if copy.target.path else None,
            "module": copy.target.module,
            "attr": copy.target.attr,
            "search": list(copy.target.search),
            "directory": str(directory),
            "files": list(copy.places),
            "cases": self.cases,
            "seconds": [part * self.budget for part in SHARES],
            "record": record,
            "ignored": self.ignored or [],
            "made": made,
            "reference": str(self.folder / "reference.pt"),
            "result": str(result),
        }
        file = directory / "settings.json"
        file.write_text(json.dumps(wanted), encoding="utf-8")
        command = [sys.executable, "-m", "compile_doctor.probe", str(file)]
        limit = min(self.settings.timeout, self.left())
        ended = self.start("diagnose", command, child_environment(os.environ, None), limit)
        self._in_time(ended["ended"])
        if not result.is_file():
            how = _how(ended, directory)
            if record:
                raise InconclusiveError(f"The target could not be run on other inputs: its process ended with {how}.")
            return {"eager": [f"its process ended ({how})"], "compiled": []}
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        found["ran"] = {
            copy.original(file): {(before, line): count for before, line, count in steps}
            for file, steps in found["lines"].items()
        }
        return found

    def _in_time(self, ended: str) -> None:
        """Raises KeyboardInterrupt if Ctrl-C has ended a child, and OutOfTimeError if the budget has: the search ends."""
        if ended == "interrupted":
            raise KeyboardInterrupt
        if ended == "timeout":
            self.left()

    def _directory(self, word: str) -> Path:
        self._count += 1
        folder = self.folder / f"{word}-{self._count:03}"
        folder.mkdir()
        return folder


def _how(ended: Mapping[str, Any], directory: Path) -> str:
    """How a child has ended: by a signal, by the time limit, or with an exception, which is in its events."""
    if ended["signal"] or ended["ended"] == "timeout":
        return ended["signal"] or "time limit"
    lines = [line for file in directory.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    for line in reversed(lines):
        if b'"probe-error"' in line:
            error = decode_event(line).chain[0]
            return f"{error.type}: {error.message:.200}"
    return f"status {ended['exit_code']}"


def _seen(state: State, found: Mapping[str, Any]) -> State:
    """The state with what the comparison of its files showed."""
    cases = (found["cases"], found["compiled_cases"])
    return replace(state, ran=found["ran"], notes=tuple(found["notes"]), cases=cases, gradients=found["gradients"])


def unseen(old: State, finding: Finding, candidate: Candidate) -> str:
    """Why equal outputs would show nothing, because a side of a branch never ran; empty if all of it ran."""
    ran = old.ran.get(finding.location.file, {}) if finding.location else {}
    reached_lines = {line for _, line in ran}
    for line in candidate.sides:
        if line not in reached_lines:
            return f"no input reached line {line}, so equal outputs would not show anything about it"
    for inner, outer in candidate.rarer:
        if reached(ran, inner) >= reached(ran, outer):
            return f"line {inner[0]} ran on all inputs, so equal outputs would not show what happens if it should not"
    return ""


def reached(ran: Steps, lines: Lines) -> int:
    """How often a statement was reached, from outside of its lines: a loop in it comes back to its first line by itself."""
    first, last = lines
    return sum(count for (before, line), count in ran.items() if first <= line <= last and not first <= before <= last)


def of_user(evidence: Evidence, copy: Copy) -> Evidence:
    """The evidence, in which the copy is the user's own: other files in the temporary folder are taken for generated ones."""
    return replace(
        evidence, facts=replace(evidence.facts, search_path=(*evidence.facts.search_path, *copy.target.search))
    )


def _silent(start: Start, file: Path) -> Start:
    """`start`, with what the target prints in a file: it was shown by the first run, and would come again each time."""

    def silent(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
        return start(mode, command, {**environment, "COMPILE_DOCTOR_OUTPUT": str(file)}, timeout)

    return silent


def _about(report: Report, copy: Copy | None) -> tuple[Finding, ...]:
    """The findings that are about the target, with the paths of the originals."""

    def place(location: Any) -> Any:
        return replace(location, file=copy.original(location.file)) if location and copy else location

    kept = [one for one in report.findings if one.facts.category not in OF_MACHINE]
    return tuple(replace(one, location=place(one.location), via=place(one.via)) for one in kept)


def identity(finding: Finding) -> tuple[str, ...]:
    """What a finding has in common with the same one after lines have moved."""
    place = (finding.location.file, finding.location.function) if finding.location else ("", "")
    return (finding.code, finding.cause, *place)


def _line(finding: Finding) -> tuple[str]:
    """The text of its line."""
    return (finding.location.snippet if finding.location else "",)


def _still_there(old: State, new: State, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those of the findings that the new state has too: too many of their kind, and one on a line with the same text."""
    before, after = (Counter(identity(one) for one in state.findings) for state in (old, new))
    left = before - Counter(identity(one) for one in findings)
    lines = {(*identity(one), *_line(one)) for one in new.findings}
    same = [one for one in findings if (*identity(one), *_line(one)) in lines]
    return tuple(one for one in same if after[identity(one)] > left[identity(one)])


def _worse(old: State, new: State, findings: Sequence[Finding]) -> str:
    """Why the new state is not better, according to the diagnoses; empty if it is."""
    before, after = (Counter(identity(one) for one in state.findings) for state in (old, new))
    outcome = next((one for one in new.findings if one.is_outcome), None)
    if outcome is not None and not any(one.is_outcome for one in old.findings):
        return f"the diagnosis had no verdict: {outcome.title}"
    if _still_there(old, new, findings):
        return "the finding is still there"
    fewer = sum(after.values()) < sum(before.values())
    more = after - before
    # What was behind a break comes to light. If nothing better follows, the search gives the way up.
    if more and not (_compiles_more(old, new) and (fewer or not _moved(old, new))):
        one = next(one for one in new.findings if identity(one) in more)
        at = f" ({Path(one.location.file).name}:{one.location.line})" if one.location else ""
        return f"it brings {one.code} {one.title}{at}"
    if not fewer and (not _compiles_more(old, new) or _moved(old, new)):
        return "it only moves the finding to another line"
    graphs, were = new.report.summary["graphs"], old.report.summary["graphs"]
    if were and not graphs:
        return "nothing is compiled any more"
    if graphs > were and not _compiles_more(old, new):
        return f"there are {graphs} graphs instead of {were}"
    again, had = (state.report.summary["recompiles"] for state in (new, old))
    if any(one.facts.category == "recompiles" for one in findings) and again >= had and not _compiles_more(old, new):
        return f"there are {again} recompilations, and there were {had}"
    if new.report.verdict == "unhealthy" and old.report.verdict == "healthy" and not _compiles_more(old, new):
        return "the verdict is unhealthy, and it was healthy"
    if new.report.verdict == "inconclusive" and old.report.verdict != "inconclusive":
        return f"the diagnosis had no verdict: {new.report.reason}"
    return ""


def _moved(old: State, new: State) -> bool:
    """Whether a finding is on a line that the change has made: it did not come to light, it was carried along."""
    for one in new.findings:
        file = one.location.file if one.location else ""
        if file in new.texts and one.location and one.location.snippet:
            known = old.report.sources.get(file) or ""
            before = {line.strip() for line in (old.texts.get(file) or known).splitlines()}
            if one.location.snippet.strip() not in before and before:
                return True
    return False


def _compiles_more(old: State, new: State) -> bool:
    """Whether less is left to plain Python: what was behind a break then comes to light, and is no damage."""
    a, b = old.report.summary, new.report.summary
    skipped = _skipped(new.findings) < _skipped(old.findings) or b["frames_skipped"] < a["frames_skipped"]
    return bool(b["ops_captured"] > a["ops_captured"] or skipped)


def _skipped(findings: Sequence[Finding]) -> int:
    return sum(1 for one in findings if one.facts.category == "frames")
