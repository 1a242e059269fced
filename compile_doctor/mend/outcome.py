"""What a search ends with: the best state, confirmed with the requested backend and timed, and why findings are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compile_doctor.mend.copies import in_package
from compile_doctor.mend.judge import Judge
from compile_doctor.mend.options import Options
from compile_doctor.mend.result import INTERRUPTED, Left, Mended, Step
from compile_doctor.mend.state import State
from compile_doctor.mend.timing import median_seconds
from compile_doctor.mend.tried import Tried
from compile_doctor.mend.ways import chosen
from compile_doctor.model.asked import Settings
from compile_doctor.model.findings import Finding
from compile_doctor.run.progress import Progress

FOLLOWS = ("skipped", "rest-skipped", "checkpointed")
"""First words of the causes of findings that only follow from a break."""
ON_PURPOSE = "compiler-disabled-function"
"""The same for a call under torch.compiler.disable, also by the user's own decision."""


class Outcome:
    """Makes the result of a search from what it has tried."""

    def __init__(
        self, target: str, settings: Settings, options: Options, folder: Path, progress: Progress, unfinished: str
    ) -> None:
        """`unfinished`: why the search ended before it was done; empty if it was done."""
        self.target = target
        self.settings = settings
        self.options = options
        self.folder = folder
        self.progress = progress
        self.unfinished = unfinished

    def of(self, judge: Judge, tried: Tried, original: State, notes: Sequence[str]) -> Mended:
        """The result; `notes` are those of the search."""
        state, undone = self._confirmed(judge, tried, original)
        seconds, untimed = self._seconds(judge, state)
        files = (
            {file: (judge.copies.originals[file], text) for file, text in state.texts.items()} if state.texts else {}
        )
        return Mended(
            target=self.target,
            cwd=str(Path.cwd()),
            environment=original.report.environment,
            verdict=(original.report.verdict, state.report.verdict),
            before=original.figures,
            after=state.figures,
            steps=tuple(tried.steps),
            left=tuple(Left(one, self.why(one, tried.dropped())) for one in state.findings),
            files=files,
            compiling=state.compiling,
            cases=state.cases,
            gradients=state.gradients,
            seconds=seconds,
            untimed=untimed,
            unlike=state.notes,
            notes=(*undone, *notes),
            unfinished=self.unfinished,
        )

    def _confirmed(self, judge: Judge, tried: Tried, original: State) -> tuple[State, list[str]]:
        """The best state, run with the requested backend; what that does not confirm is undone, the last step first."""
        best = tried.path[-1]
        notes: list[str] = []
        if judge.settings == self.settings:
            return (best if best.texts or best.compiling else replace(original, cases=best.cases)), []
        judge.use(self.settings, 2 * self.settings.timeout)
        while best.texts or best.compiling:
            self.progress.say("running what is kept with the requested backend")
            final = judge.again(best.texts, best.compiling)
            if final.report.verdict != "inconclusive" and final.figures.findings < original.figures.findings:
                return replace(final, cases=best.cases, notes=best.notes, gradients=best.gradients), notes
            reason = final.report.reason or "there are as many findings as before"
            notes.append(f"a step was undone, because with the requested backend: {reason}")
            tried.give_up(best.taken)
            tried.path.pop()
            best = tried.path[-1] if tried.path else original
        return replace(original, cases=best.cases), notes

    def _seconds(self, judge: Judge, state: State) -> tuple[tuple[float, float] | None, str]:
        """Median seconds before and after, or why there are none."""
        if not (self.options.timed and (state.texts or state.compiling)) or self.unfinished == INTERRUPTED:
            return None, ""
        found: list[float] = []
        for texts, compiling in (({}, {}), (state.texts, state.compiling)):
            settings = replace(self.settings, **compiling)
            when = f"{'after' if found else 'before'} the changes"
            self.progress.say(f"measuring a call {when}")
            one = median_seconds(judge.copies.make(texts).target, settings, self.folder / f"time-{len(found)}")
            if isinstance(one, str):
                return None, f"{when}: {one}"
            found.append(one)
        return (found[0], found[1]), ""

    def why(self, finding: Finding, dropped: Sequence[Step]) -> str:
        """Why a finding is left."""
        outside = finding.location and in_package(finding.location.file) and not self.options.packages
        tried = [one for one in dropped if _same(one.finding, finding)]
        if tried:
            more = ". It is in an installed package: --vendor DIR also tries to change a copy of it" if outside else ""
            return f"{tried[-1].rewrite}: {tried[-1].reason}{more}"
        if finding.cause.partition(":")[0] in FOLLOWS:
            return "it goes away with the break that causes it"
        if finding.cause.partition(":")[0] == ON_PURPOSE:
            return "the call is kept out of the graph on purpose"
        if all(one.of_any_cause for one in chosen(finding, self.options.only)):
            return "there is no rewrite for its cause"
        if self.unfinished:
            return f"it was not tried, because {self.unfinished}"
        if outside:
            return "it is in an installed package: --vendor DIR changes a copy of it"
        return "no rewrite fits the way in which the line is written"


def _same(one: Finding, other: Finding) -> bool:
    places = [(f.location.file, f.location.function) if f.location else None for f in (one, other)]
    return (one.code, one.cause) == (other.code, other.cause) and places[0] == places[1]
