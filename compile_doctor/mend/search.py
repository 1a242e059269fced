"""The search: for each finding the rewrites that fit, one at a time, until none helps or the budget ends."""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import libcst

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.mend.copies import Copies, in_package
from compile_doctor.mend.journal import Journal
from compile_doctor.mend.judge import Judge, OutOfTimeError, State, Verdict, identity
from compile_doctor.mend.result import INTERRUPTED, Left, Mended, Step
from compile_doctor.mend.rewrites import Rewrite, fitting, rewrites
from compile_doctor.mend.site import Candidate, Site, Source
from compile_doctor.mend.timing import median_seconds
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

FOLLOWS = ("skipped", "checkpointed")
"""First words of the causes of findings that only follow from a break."""
Way = tuple[Finding, Rewrite, Candidate, dict[str, str]]
"""A finding, and one way to rewrite it away, with the texts of all changed files."""


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
            if any(self._fitting(one) for one in original.findings):
                self._until_nothing_helps(judged, self._resumed(judged, self._unchanged(judged, first, report)))
        except OutOfTimeError:
            unfinished = f"the budget of {self.options.budget:g} s ended"
        except KeyboardInterrupt:
            unfinished = INTERRUPTED
        self._give_up(len([one for one in self.steps if one.state == "kept"]) - self.kept)
        return self._mended(judged, original, unfinished)

    def _unchanged(self, judge: Judge, first: Evidence, report: Report) -> State:
        """The unchanged files, as the judge sees them."""
        ran = judge.original(self._copies(first), report)
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
                    self.kept += len(ahead)
                    ahead = []
                self._save()
            if not ahead:
                return
            self._give_up(len(ahead))

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
        """Better states, the first candidate that is kept first.

        The best candidate of each finding comes before the second of any: a hopeless finding does not use up the budget.
        """
        for finding, rewrite, candidate, texts in self._in_order(judge, state):
            compiling = {**state.compiling, **candidate.compiling}
            key = _key(texts, compiling)
            if key in self.tried:
                continue
            self.progress.say(f"{finding.code} {finding.title}: {candidate.title}")
            verdict = judge.better(state, candidate, finding, texts, compiling)
            self._note(finding, rewrite, candidate, verdict, key)
            if verdict.state is not None:
                yield verdict.state

    def _in_order(self, judge: Judge, state: State) -> Iterator[Way]:
        """The candidates of all findings. What was dropped in an earlier state comes last: it seldom helps in this one."""
        dropped = {_what(one.finding, one.rewrite, one.title) for one in self.steps if one.state == "dropped"}
        later = []
        # Each is made when its turn comes: a large file takes seconds.
        for turn in zip_longest(*(self._ways(judge, state, one) for one in state.findings)):
            for way in filter(None, turn):
                if _what(way[0], way[1].name, way[2].title) in dropped:
                    later.append(way)
                else:
                    yield way
        yield from later

    def _ways(self, judge: Judge, state: State, finding: Finding) -> Iterator[Way]:
        return ((finding, *way) for way in self._candidates(judge, state, finding))

    def _note(self, finding: Finding, rewrite: Rewrite, candidate: Candidate, verdict: Verdict, key: str) -> None:
        kept = verdict.state is not None
        self.tried[key] = verdict.reason
        state = "kept" if kept else "dropped"
        self.steps.append(Step(finding, rewrite.name, candidate.title, state, verdict.reason, key))
        self.progress.say("kept" if kept else f"dropped: {verdict.reason}")
        if not kept:
            self._save()

    def _fitting(self, finding: Finding) -> list[Rewrite]:
        return [one for one in fitting(finding.cause) if not self.options.only or one.name in self.options.only]

    def _candidates(
        self, judge: Judge, state: State, finding: Finding
    ) -> Iterator[tuple[Rewrite, Candidate, dict[str, str]]]:
        """The candidates for a finding, with the texts that they lead to."""
        place = finding.location
        if place is None:
            return
        may_change = self._may_change(judge, place.file)
        text = _text(judge, state, place.file)
        try:
            site = Site(_parsed(text), finding, place.line)
        except libcst.ParserSyntaxError as error:
            self.notes[f"{place.file} cannot be rewritten: LibCST cannot read line {error.raw_line}"] = None
            return
        own = place.file if may_change and not in_package(place.file) else str(self.target.path or place.file)
        for rewrite in self._fitting(finding):
            for candidate in self._proposed(rewrite, site):
                texts = dict(state.texts)
                if candidate.text is not None:
                    texts[place.file] = candidate.text
                if candidate.settings and self._may_change(judge, own):
                    texts[own] = _parsed(texts.get(own, judge.copies.originals[own])).edited({}, candidate.settings)
                changes = [file for file, new in texts.items() if new != state.texts.get(file)]
                if (candidate.compiling or changes) and (candidate.text is None or may_change):
                    yield rewrite, candidate, texts

    def _may_change(self, judge: Judge, file: str) -> bool:
        return (self.options.packages or not in_package(file)) and judge.copies.add(file)

    def _proposed(self, rewrite: Rewrite, site: Site) -> list[Candidate]:
        """Its candidates. A mistake of a rewrite costs that rewrite, and not what the others have found."""
        found: list[Candidate] = []
        try:
            for one in rewrite.propose(site):
                if one.text is not None:
                    ast.parse(one.text)
                found.append(one)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self.notes[f"the rewrite {rewrite.name} failed at {site.finding.code} in line {site.line} ({what})"] = None
        return found

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
            self._give_up(1)
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
            return f"{tried[-1].rewrite}: {tried[-1].reason}"
        if finding.cause.partition(":")[0] in FOLLOWS:
            return "it goes away with the break that causes it"
        if not self._fitting(finding):
            return "there is no rewrite for its cause"
        if unfinished:
            return f"it was not tried, because {unfinished}"
        if finding.location and in_package(finding.location.file) and not self.options.packages:
            return "it is in an installed package: --vendor DIR changes a copy of it"
        return "no rewrite fits the way in which the line is written"


@lru_cache(maxsize=8)
def _parsed(text: str) -> Source:
    """A parsed file, kept: several findings are in one, and each step looks at all of them again."""
    return Source(text)


def _text(judge: Judge, state: State, file: str) -> str:
    """The text of a file; one that is gone, because the target wrote it for one run, as the diagnosis read it."""
    if file in state.texts or file in judge.copies.originals:
        return state.texts.get(file) or judge.copies.originals[file]
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return state.report.sources.get(file) or ""


def _same(one: Finding, other: Finding) -> bool:
    places = [(f.location.file, f.location.function) if f.location else None for f in (one, other)]
    return (one.code, one.cause) == (other.code, other.cause) and places[0] == places[1]


def _what(finding: Finding, rewrite: str, title: str) -> tuple[str, ...]:
    """A candidate, whatever else has changed in the meantime."""
    return (*identity(finding), rewrite, title)


def _key(texts: Mapping[str, str], compiling: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([texts, compiling], sort_keys=True).encode()).hexdigest()[:16]
