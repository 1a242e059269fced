"""The search: for each finding the rewrites that fit, until none helps or the budget ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend.copies import Copies, in_package
from compile_doctor.mend.journal import Journal
from compile_doctor.mend.judge import Judge, OutOfTimeError, Verdict
from compile_doctor.mend.options import Options
from compile_doctor.mend.outcome import Outcome
from compile_doctor.mend.reached import unseen
from compile_doctor.mend.result import INTERRUPTED, Mended, Step
from compile_doctor.mend.state import State
from compile_doctor.mend.tried import Tried, what
from compile_doctor.mend.ways import Change, Way, Ways, chosen
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.processes.children import Start
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target, not_a_target

QUICK = "eager"
"""The backend of the search if no finding is about kernels: breaks and recompilations are the same with every backend."""
NEEDLESS = "what it was made for goes away without it"
NEED_KERNELS = ("attention", "kernels", "float8", "compile-errors", "numerics")
"""Categories of findings that only the requested backend shows."""


class Search:
    """One search; `tried` is valid at any time."""

    def __init__(
        self, target: Target, settings: Settings, options: Options, folder: Path, start: Start, progress: Progress
    ) -> None:
        self.target = target
        self.settings = settings
        self.options = options
        self.folder = folder
        self.start = start
        self.progress = progress
        self.tried = Tried()
        self.interrupted = False
        """Ctrl-C came while something was kept that had been seen to be right."""
        self.notes: dict[str, None] = {}
        self.ways: Ways
        self.until = time.monotonic() + options.budget

    def run(self) -> Mended:
        """The whole search."""
        self.progress.say(f"running {self.target.text}")
        first = diagnose(self.target, self.settings, self.folder / "first", False, self.progress, self.start)
        if first.facts.usage or first.facts.not_a_target:
            raise UsageError(first.facts.usage or first.facts.not_a_target, hint=not_a_target())
        report = make_report(first)
        if report.verdict == "inconclusive" and not report.findings:
            raise InconclusiveError(f"The diagnosis had no verdict: {report.reason}")
        judge = self._judge(report)
        original = State.of(report)
        self.tried.path = [original]
        unfinished = ""
        try:
            if any(chosen(one, self.options.only) for one in original.findings):
                self._until_nothing_helps(judge, self._resumed(judge, self._unchanged(judge, first, report)))
        except OutOfTimeError:
            unfinished = f"the budget of {self.options.budget:g} s ended"
        except KeyboardInterrupt:
            unfinished = INTERRUPTED
        self.tried.give_up()
        outcome = Outcome(self.target.text, self.settings, self.options, self.folder, self.progress, unfinished)
        return outcome.of(judge, self.tried, original, tuple(self.notes))

    def _judge(self, report: Report) -> Judge:
        """A judge with a quick backend if that shows all findings."""
        kernels = any(one.facts.category in NEED_KERNELS for one in report.findings) or report.attention
        settings = self.settings if kernels or self.settings.as_is else replace(self.settings, backend=QUICK)
        return Judge(settings, self.folder, self.start, self.options.cases, self.until)

    def _unchanged(self, judge: Judge, first: Evidence, report: Report) -> State:
        """The unchanged files, as the judge sees them."""
        copies = self._copies(first, report)
        asked = {name: getattr(self.settings, name) for name in ("backend", "mode", "dynamic")}
        self.ways = Ways(copies, self.options.only, self.options.packages, self.notes, asked)
        ran = judge.original(copies, report)
        return ran if judge.settings == self.settings else replace(judge.again({}, {}), ran=ran.ran)

    def _copies(self, first: Evidence, report: Report) -> Copies:
        files = list(first.facts.files)
        if self.options.packages:
            places = [one.location for one in report.findings if one.location]
            files += [one.file for one in places if in_package(one.file)]
        else:
            files = [file for file in files if not in_package(file)]
        return Copies(self.target, files, first.facts.search_path, self.folder)

    def _resumed(self, judge: Judge, state: State) -> State:
        """The state that an earlier search has reached, if there was one; what it dropped is not tried again."""
        if self.options.resume is None:
            return state
        journal = Journal(self.options.resume, self.target.text, self.settings, judge.copies.originals)
        reached = self.tried.resume(journal)
        if reached is None:
            return state
        found = judge.again(reached["texts"], reached["compiling"])
        return judge.compared(replace(found, made=tuple(reached["made"])))

    def _until_nothing_helps(self, judge: Judge, state: State) -> None:
        """Goes from better to better; a way that ends without fewer findings is given up, and another one tried."""
        path = self.tried.path = [state]
        while True:
            ahead: list[State] = []
            better: State | None = path[-1]
            while better is not None and (better := next(self._improved(judge, better), None)) is not None:
                ahead.append(better)
                if better.figures.findings < path[-1].figures.findings:
                    self.tried.reach(ahead)
                    ahead = []
                self.tried.save()
                if self.interrupted:
                    raise KeyboardInterrupt
            if not ahead:
                return
            self.tried.give_up()

    def _improved(self, judge: Judge, state: State) -> Iterator[State]:
        """Better states, the first one that is found first."""
        for turn in self._turns(state):
            yield from self._better(judge, state, turn)

    def _turns(self, state: State) -> Iterator[list[Way]]:
        """The best way of each finding, then the second of each: a hopeless finding does not use up the budget.

        What was dropped in an earlier state comes last, one by one: it seldom helps in this one.
        """
        dropped = {what(one) for one in self.tried.dropped()}
        later = []
        for turn in zip_longest(*(self.ways.of(state, one) for one in state.findings)):
            seen = [way for way in turn if way is not None and not self._unseen(state, way)]
            later += [way for way in seen if way.what in dropped]
            yield [way for way in seen if way.what not in dropped]
        yield from ([way] for way in later)

    def _unseen(self, state: State, way: Way) -> bool:
        """Whether no input would show that a way is wrong: then it is dropped without a run."""
        reason = unseen(state, way.finding, way.candidate)
        change = Change((way,))
        if reason and change.key not in self.tried.reasons:
            self._note(change, Verdict(None, reason))
        return bool(reason)

    def _better(self, judge: Judge, state: State, ways: list[Way]) -> Iterator[State]:
        """All of these ways at once, as most findings do not touch each other.

        If that is not better, then those whose findings went away, and the others; or each half.
        """
        if not ways:
            return
        change = self.ways.together(state, ways)
        there: tuple[Finding, ...] = ()
        if change.key not in self.tried.reasons:
            for way in change.ways:
                self.progress.say(f"{way.finding.code} {way.finding.title}: {way.candidate.title}")
            findings = [way.finding for way in change.ways]
            verdict = judge.better(state, findings, change.texts, change.compiling, change.made)
            there = verdict.there
            if verdict.state is not None and len(change.ways) > 1:
                change, verdict = self._needed(judge, state, ways, change, verdict)
            self._note(change, verdict)
            if verdict.state is not None:
                yield verdict.state
        elif change.key not in {one.key for one in self.tried.steps}:
            # The same texts were tried when this way and those that are kept by now were one change.
            self._note(change, Verdict(None, self.tried.reasons[change.key]))
        if len(ways) > 1:
            gone = [way for way in ways if way.finding not in there]
            first = gone if 0 < len(gone) < len(ways) else ways[: (len(ways) + 1) // 2]
            yield from self._better(judge, state, first)
            yield from self._better(judge, state, [way for way in ways if way not in first])

    def _needed(
        self, judge: Judge, state: State, ways: list[Way], change: Change, verdict: Verdict
    ) -> tuple[Change, Verdict]:
        """Leaves out each way without which the findings of all are gone too: a setting may do what another was made for.

        Each trial is a diagnosis, and they may take a tenth of the budget that is left: what is not tried stays.
        """
        done = [(way.what, way.finding) for way in change.ways]
        kept = [way for way in ways if (way.what, way.finding) in done]  # those of `change` contain each other's texts
        findings = [way.finding for way in kept]
        until = time.monotonic() + judge.left() / 10
        for way in kept[::-1]:
            others = [one for one in kept if one is not way]
            if not others or time.monotonic() > until:
                break
            self.progress.say(f"without: {way.candidate.title}")
            smaller = self.ways.together(state, others)
            try:
                without = judge.better(state, findings, smaller.texts, smaller.compiling, smaller.made)
            except OutOfTimeError:  # what is kept was seen to be right
                break
            except KeyboardInterrupt:  # the same; the search ends when it is kept
                self.interrupted = True
                break
            if without.state is not None:
                kept, change = others, smaller
                verdict = replace(without, state=replace(without.state, taken=len(smaller.ways)))
                step = Step(way.finding, way.rewrite.name, way.candidate.title, "dropped", NEEDLESS)
                self.tried.steps.append(step)
        return change, verdict

    def _note(self, change: Change, verdict: Verdict) -> None:
        kept = verdict.state is not None
        self.tried.note(change, kept, verdict.reason)
        together = " together" if len(change.ways) > 1 else ""
        self.progress.say("kept" if kept else f"dropped{together}: {verdict.reason}")
        if not kept:
            self.tried.save()
