"""Decides whether changed files are better, by running them: the diagnosis again, and the comparison with the original."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend import comparison
from compile_doctor.mend.comparison import Compared, Wanted
from compile_doctor.mend.copies import Copies, Copy
from compile_doctor.mend.state import State, Texts, about
from compile_doctor.mend.two_diagnoses import still_there, worse
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.processes.children import Start
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import not_a_target

SHARES = (1 / 15, 1 / 60)
"""Parts of the budget for the runs of one comparison in eager mode, and compiled: a search makes dozens of them."""


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

    def __init__(self, settings: Settings, folder: Path, start: Start, cases: int, until: float) -> None:
        self.settings = settings
        self.folder = folder
        self.start = self._quietly(start, folder / "output.txt")
        self.until = until
        seconds = [part * (until - time.monotonic()) for part in SHARES]
        self.wanted = Wanted(folder / "reference.pt", cases, (seconds[0], seconds[1]))
        self.copies: Copies
        self.ignored: tuple[str, ...] | None = None
        """State that differs from run to run of the unchanged files; None as long as nothing has differed."""
        self._count = 0

    def _quietly(self, start: Start, file: Path) -> Start:
        """`start`, with what the target prints in a file: it was shown by the first run, and would come again each time.

        What the target compiles by itself takes the backend of these runs too: Inductor's rounding would else be
        compared with a reference that has none of it.
        """

        def quiet(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
            backend = {"COMPILE_DOCTOR_BACKEND": self.settings.backend} if self.settings.backend else {}
            return start(mode, command, {**environment, "COMPILE_DOCTOR_OUTPUT": str(file), **backend}, timeout)

        return quiet

    def use(self, settings: Settings, seconds: float) -> None:
        """From now on, runs with these settings, and with a budget of its own."""
        self.settings, self.until = settings, time.monotonic() + seconds

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
        if found.error:
            raise InconclusiveError(
                f"Nothing was changed, because a copy of the target fails without torch.compile too: {found.error}"
            )
        return replace(State.of(report), ran=found.ran, cases=found.cases)

    def again(self, texts: Texts, compiling: Mapping[str, Any]) -> State:
        """Any files and options, diagnosed with what is asked for now."""
        copy = self.copies.make(texts)
        report = self._diagnosed(copy, compiling)
        return State(texts, compiling, report, about(report, copy), {})

    def compared(self, state: State) -> State:
        """A state that was kept by an earlier search, with what the comparison shows. Raises InconclusiveError if it differs."""
        found = self._compare(self.copies.make(state.texts), state.compiling, made=state.made)
        if found.differences:
            raise InconclusiveError(
                f"--resume: the files that an earlier search kept differ now: {found.differences[0]}."
            )
        return state.seen(found)

    def better(
        self, old: State, findings: Sequence[Finding], texts: Texts, compiling: Mapping[str, Any], made: Sequence[str]
    ) -> Verdict:
        """Whether these files are better than the old state: `findings` gone, nothing new, all that is seen equal."""
        copy = self.copies.make(texts)
        report = self._diagnosed(copy, compiling)
        new = State(texts, compiling, report, about(report, copy), {}, made=(*old.made, *made), taken=len(findings))
        reason = worse(old, new, findings)
        if reason:
            return Verdict(None, reason, still_there(old, new, findings))
        found = self._compare(copy, compiling, made=new.made)
        if found.state and self.ignored is None:
            # a temporary folder, a time: state that two runs of the unchanged files do not share either
            self.ignored = self._compare(self.copies.make({}), {}).state
            found = self._compare(copy, compiling, made=new.made) if self.ignored else found
        wrong = found.differences
        if wrong:
            return Verdict(None, wrong[0] + (f" and {len(wrong) - 1} more differences" if wrong[1:] else ""))
        return Verdict(new.seen(found))

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
        self, copy: Copy, compiling: Mapping[str, Any], record: bool = False, made: tuple[str, ...] = ()
    ) -> Compared:
        """Runs the comparison in a child; returns what it wrote, or a difference that says how it ended."""
        directory = self._directory("compare")
        wanted = replace(self.wanted, record=record, made=made, ignored=self.ignored or ())
        settings = replace(self.settings, **compiling)
        limit = min(self.settings.timeout, self.left())
        ended, found = comparison.run(copy, settings, wanted, directory, self.start, limit)
        self._in_time(ended["ended"])
        if found is not None:
            return found
        how = comparison.how(ended, directory)
        if record:
            raise InconclusiveError(f"The target could not be run on other inputs: its process ended with {how}.")
        return Compared((f"its process ended ({how})",), {})

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


def of_user(evidence: Evidence, copy: Copy) -> Evidence:
    """The evidence, in which the copy is the user's own: other files in the temporary folder are taken for generated ones."""
    return replace(
        evidence, facts=replace(evidence.facts, search_path=(*evidence.facts.search_path, *copy.target.search))
    )
