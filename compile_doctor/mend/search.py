"""The search: for each finding the rewrites that fit, until none helps or the budget ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend.copies import Copies, in_package
from compile_doctor.mend.journal import Journal
from compile_doctor.mend.judge import Judge, OutOfTimeError, State, Verdict, identity, unseen
from compile_doctor.mend.result import INTERRUPTED, Left, Mended, Step
from compile_doctor.mend.rewrites import rewrites
from compile_doctor.mend.timing import median_seconds
from compile_doctor.mend.ways import Change, Way, Ways, chosen
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.processes.children import Start
from compile_doctor.report.make import Report, make_report
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target, not_a_target

QUICK = "eager"
"""The backend of the search if no finding is about kernels: breaks and recompilations are the same with every backend."""
NEED_KERNELS = ("attention", "kernels", "float8", "compile-errors", "numerics")
"""Categories of findings that only the requested backend shows."""

FOLLOWS = ("skipped", "rest-skipped", "checkpointed")
"""First words of the causes of findings that only follow from a break."""


@dataclass(frozen=True)
class Options:
    """What `fix` is asked for, beside the options of the diagnosis."""

    budget: float = 900.0
    """Seconds for the whole search."""
    cases: int = 20
    """Other inputs on which the outputs are compared."""
    packages: bool = False
    """Whether files of installed packages may be changed, in a copy."""
    only: tuple[str, ...] = ()
    """Names of rewrites; empty: all."""
    timed: bool = False
    """Whether a compiled call is measured before and after."""
    resume: Path | None = None
    """The folder in which the search is kept."""


def check_names(names: tuple[str, ...]) -> None:
    """Raises UsageError for the name of a rewrite that does not exist."""
    known = [one.name for one in rewrites()]
    for name in names:
        if name not in known:
            raise UsageError(f"--only {name}: there is no such rewrite.", f"There are: {', '.join(sorted(known))}.")


class Search:
    """One search. `steps` and `state` are valid at any time, so that an interrupted search still has a result."""

    def __init__(
        self, target: Target, settings: Settings, options: Options, folder: Path, start: Start, progress: Progress
    ) -> None:
        self.target = target
        self.settings = settings
        self.options = options
        self.folder = folder
        self.start = start
        self.progress = progress
        self.steps: list[Step] = []
        self.path: list[State] = []
        """The states from the original to the best one, a kept step between each two."""
        self.notes: dict[str, None] = {}
        self.ways: Ways
        self.kept = 0
        """How many of the steps that were kept led to the best state."""
        self.tried: dict[str, str] = {}
        """What was dropped, with the reason."""
        self.journal: Journal | None = None
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
        judged = self._judge(first)
        original = State.of(report)
        self.path = [original]
        unfinished = ""
        try:
            if any(chosen(one, self.options.only) for one in original.findings):
                self._until_nothing_helps(judged, self._resumed(judged, self._unchanged(judged, first, report)))
        except OutOfTimeError:
            unfinished = f"the budget of {self.options.budget:g} s ended"
        except KeyboardInterrupt:
            unfinished = INTERRUPTED
        self._give_up(len([one for one in self.steps if one.state == "kept"]) - self.kept)
        return self._mended(judged, original, unfinished)

    def _unchanged(self, judge: Judge, first: Evidence, report: Report) -> State:
        """The unchanged files, as the judge sees them."""
        copies = self._copies(first)
        self.ways = Ways(copies, self.options.only, self.options.packages, self.notes)
        ran = judge.original(copies, report)
        return ran if judge.settings == self.settings else replace(judge.again({}, {}), ran=ran.ran)

    def _resumed(self, judge: Judge, state: State) -> State:
        """The state that an earlier search has reached, if there was one; what it dropped is not tried again."""
        if self.options.resume is None:
            return state
        self.journal = Journal(self.options.resume, self.target.text, self.settings, judge.copies.originals)
        known = self.journal.read()
        if known is None:
            return state
        reached, self.steps = known
        self.tried = {one.key: one.reason for one in self.steps}
        self.kept = len([one for one in self.steps if one.state == "kept"])
        if not (reached["texts"] or reached["compiling"]):
            return state
        found = judge.again(reached["texts"], reached["compiling"])
        return judge.compared(replace(found, made=tuple(reached["made"])))

    def _save(self) -> None:
        if self.journal is not None:
            best = self.path[-1]
            self.journal.write(best.texts, best.compiling, self.steps[: self._known()], best.made)

    def _judge(self, first: Evidence) -> Judge:
        """A judge with a quick backend if that shows all findings."""
        report = make_report(first)
        kernels = any(one.facts.category in NEED_KERNELS for one in report.findings) or report.attention
        settings = self.settings if kernels or self.settings.as_is else replace(self.settings, backend=QUICK)
        return Judge(settings, self.folder, self.start, self.progress, self.options.cases, self.until)

    def _copies(self, first: Evidence) -> Copies:
        files = list(first.facts.files)
        if self.options.packages:
            places = [one.location for one in make_report(first).findings if one.location]
            files += [one.file for one in places if in_package(one.file)]
        else:
            files = [file for file in files if not in_package(file)]
        return Copies(self.target, files, first.facts.search_path, self.folder)

    def _until_nothing_helps(self, judge: Judge, state: State) -> None:
        """Goes from better to better; a way that ends without fewer findings is given up, and another one tried."""
        self.path = [state]
        while True:
            ahead: list[State] = []
            better: State | None = self.path[-1]
            while better is not None and (better := next(self._improved(judge, better), None)) is not None:
                ahead.append(better)
                if better.figures.findings < self.path[-1].figures.findings:
                    self.path += ahead
                    self.kept += sum(one.taken for one in ahead)
                    ahead = []
                self._save()
            if not ahead:
                return
            self._give_up(sum(one.taken for one in ahead))

    def _give_up(self, count: int) -> None:
        """Marks the last kept steps as dropped: they led to nothing."""
        kept = [number for number, step in enumerate(self.steps) if step.state == "kept"]
        for number in kept[len(kept) - count :]:
            reason = "no finding went away by it, nor by what followed"
            self.steps[number] = replace(self.steps[number], state="dropped", reason=reason)

    def _known(self) -> int:
        """How many steps a later search may rely on: none after those that led to the best state, if kept ones follow."""
        kept = [number for number, step in enumerate(self.steps) if step.state == "kept"]
        return kept[self.kept] if len(kept) > self.kept else len(self.steps)

    def _improved(self, judge: Judge, state: State) -> Iterator[State]:
        """Better states, the first one that is found first."""
        for turn in self._turns(state):
            yield from self._better(judge, state, turn)

    def _turns(self, state: State) -> Iterator[list[Way]]:
        """The best way of each finding, then the second of each: a hopeless finding does not use up the budget.

        What was dropped in an earlier state comes last, one by one: it seldom helps in this one.
        """
        dropped = {_what(one) for one in self.steps if one.state == "dropped"}
        later = []
        for turn in zip_longest(*(self.ways.of(state, one) for one in state.findings)):
            seen = [way for way in turn if way is not None and not self._unseen(state, way)]
            later += [way for way in seen if way.what in dropped]
            yield [way for way in seen if way.what not in dropped]
        yield from ([way] for way in later)

    def _unseen(self, state: State, way: Way) -> bool:
        """Whether no input would show that a way is wrong: then it is dropped without a run."""
        reason = unseen(state, way.finding, way.candidate)
        key = Change((way,)).key
        if reason and key not in self.tried:
            self._note(Change((way,)), Verdict(None, reason))
        return bool(reason)

    def _better(self, judge: Judge, state: State, ways: list[Way]) -> Iterator[State]:
        """All of these ways at once, as most findings do not touch each other.

        If that is not better, then those whose findings went away, and the others; or each half.
        """
        if not ways:
            return
        change = self.ways.together(state, ways)
        there: tuple[Finding, ...] = ()
        if change.key not in self.tried:
            for way in change.ways:
                self.progress.say(f"{way.finding.code} {way.finding.title}: {way.candidate.title}")
            findings = [way.finding for way in change.ways]
            verdict = judge.better(state, findings, change.texts, change.compiling, change.made)
            there = verdict.there
            self._note(change, verdict)
            if verdict.state is not None:
                yield verdict.state
        elif change.key not in {one.key for one in self.steps}:
            # The same texts were tried when this way and those that are kept by now were one change.
            self._note(change, Verdict(None, self.tried[change.key]))
        if len(ways) > 1:
            gone = [way for way in ways if way.finding not in there]
            first = gone if 0 < len(gone) < len(ways) else ways[: (len(ways) + 1) // 2]
            yield from self._better(judge, state, first)
            yield from self._better(judge, state, [way for way in ways if way not in first])

    def _note(self, change: Change, verdict: Verdict) -> None:
        """Several ways that do not help together are not steps: each is tried by itself."""
        kept = verdict.state is not None
        self.tried[change.key] = verdict.reason
        if kept or len(change.ways) == 1:
            state = "kept" if kept else "dropped"
            self.steps += [
                Step(way.finding, way.rewrite.name, way.candidate.title, state, verdict.reason, change.key)
                for way in change.ways
            ]
        together = " together" if len(change.ways) > 1 else ""
        self.progress.say("kept" if kept else f"dropped{together}: {verdict.reason}")
        if not kept:
            self._save()

    def _mended(self, judge: Judge, original: State, unfinished: str) -> Mended:
        state, notes = self._confirmed(judge, original)
        seconds, untimed = self._seconds(judge, state, unfinished)
        files = (
            {file: (judge.copies.originals[file], text) for file, text in state.texts.items()} if state.texts else {}
        )
        return Mended(
            target=self.target.text,
            cwd=str(Path.cwd()),
            environment=original.report.environment,
            verdict=(original.report.verdict, state.report.verdict),
            before=original.figures,
            after=state.figures,
            steps=tuple(self.steps),
            left=tuple(Left(one, self._why(one, unfinished)) for one in state.findings),
            files=files,
            compiling=state.compiling,
            cases=state.cases,
            gradients=state.gradients,
            seconds=seconds,
            untimed=untimed,
            unlike=state.notes,
            notes=(*notes, *self.notes),
            unfinished=unfinished,
        )

    def _confirmed(self, judge: Judge, original: State) -> tuple[State, list[str]]:
        """The best state, run with the requested backend; what that does not confirm is undone, the last step first."""
        best = self.path[-1]
        notes: list[str] = []
        if judge.settings == self.settings:
            return (best if best.texts or best.compiling else replace(original, cases=best.cases)), []
        judge.settings, judge.until = self.settings, time.monotonic() + 2 * self.settings.timeout
        while best.texts or best.compiling:
            self.progress.say("running what is kept with the requested backend")
            final = judge.again(best.texts, best.compiling)
            if final.report.verdict != "inconclusive" and final.figures.findings < original.figures.findings:
                return replace(final, cases=best.cases, notes=best.notes, gradients=best.gradients), notes
            reason = final.report.reason or "there are as many findings as before"
            notes.append(f"a step was undone, because with the requested backend: {reason}")
            self._give_up(best.taken)
            self.path.pop()
            best = self.path[-1] if self.path else original
        return replace(original, cases=best.cases), notes

    def _seconds(self, judge: Judge, state: State, unfinished: str) -> tuple[tuple[float, float] | None, str]:
        """Median seconds before and after, or why there are none."""
        if not (self.options.timed and (state.texts or state.compiling)) or unfinished == INTERRUPTED:
            return None, ""
        found: list[float] = []
        for texts, compiling in (({}, {}), (state.texts, state.compiling)):
            settings = replace(self.settings, **compiling)
            self.progress.say(f"measuring a call {'after' if found else 'before'} the changes")
            one = median_seconds(judge.copies.make(texts).target, settings, self.folder / f"time-{len(found)}")
            if isinstance(one, str):
                return None, one
            found.append(one)
        return (found[0], found[1]), ""

    def _why(self, finding: Finding, unfinished: str) -> str:
        """Why a finding is left."""
        tried = [one for one in self.steps if one.state == "dropped" and _same(one.finding, finding)]
        if tried:
            outside = finding.location and in_package(finding.location.file) and not self.options.packages
            more = ". It is in an installed package: --vendor DIR also tries to change a copy of it" if outside else ""
            return f"{tried[-1].rewrite}: {tried[-1].reason}{more}"
        if finding.cause.partition(":")[0] in FOLLOWS:
            return "it goes away with the break that causes it"
        if not chosen(finding, self.options.only):
            return "there is no rewrite for its cause"
        if unfinished:
            return f"it was not tried, because {unfinished}"
        if finding.location and in_package(finding.location.file) and not self.options.packages:
            return "it is in an installed package: --vendor DIR changes a copy of it"
        return "no rewrite fits the way in which the line is written"


def _same(one: Finding, other: Finding) -> bool:
    places = [(f.location.file, f.location.function) if f.location else None for f in (one, other)]
    return (one.code, one.cause) == (other.code, other.cause) and places[0] == places[1]


def _what(step: Step) -> tuple[str, ...]:
    """As `Way.what`."""
    return (*identity(step.finding), step.rewrite, step.title)
