"""What a search has tried: its steps, the best state and the way to it, and the journal from which it continues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from compile_doctor.mend.journal import Journal
from compile_doctor.mend.result import Step
from compile_doctor.mend.state import State, identity
from compile_doctor.mend.ways import Change


class Tried:
    """Valid at any time, so that an interrupted search still has a result."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.path: list[State] = []
        """The states from the original to the best one, a kept step between each two."""
        self.reasons: dict[str, str] = {}
        """Why each change was dropped, by its key; empty for one that was kept."""
        self.leading = 0
        """How many of the steps that were kept led to the best state."""
        self.journal: Journal | None = None

    def resume(self, journal: Journal) -> dict[str, Any] | None:
        """The files and options that an earlier search has reached; None if it changed nothing or there was none."""
        self.journal = journal
        known = journal.read()
        if known is None:
            return None
        reached, self.steps = known
        self.reasons = {one.key: one.reason for one in self.steps}
        self.leading = len(self.kept())
        return reached if reached["texts"] or reached["compiling"] else None

    def save(self) -> None:
        """Writes the journal, if there is one."""
        if self.journal is not None:
            best = self.path[-1]
            self.journal.write(best.texts, best.compiling, self.steps[: self._reliable()], best.made)

    def kept(self) -> list[int]:
        """The numbers of the steps that were kept."""
        return [number for number, step in enumerate(self.steps) if step.state == "kept"]

    def dropped(self) -> list[Step]:
        return [step for step in self.steps if step.state == "dropped"]

    def reach(self, states: Iterable[State]) -> None:
        """Adds states to the path: the last one is the best now."""
        for state in states:
            self.path.append(state)
            self.leading += state.taken

    def note(self, change: Change, kept: bool, reason: str) -> None:
        """Several ways that do not help together are not steps: each is tried by itself."""
        self.reasons[change.key] = reason
        if kept or len(change.ways) == 1:
            state = "kept" if kept else "dropped"
            self.steps += [
                Step(way.finding, way.rewrite.name, way.candidate.title, state, reason, change.key)
                for way in change.ways
            ]

    def give_up(self, count: int | None = None) -> None:
        """Marks the last kept steps as dropped: they led to nothing. Without a number, all after the best state."""
        kept = self.kept()
        count = len(kept) - self.leading if count is None else count
        for number in kept[len(kept) - count :]:
            reason = "no finding went away by it, nor by what followed"
            self.steps[number] = replace(self.steps[number], state="dropped", reason=reason)

    def _reliable(self) -> int:
        """How many steps a later search may rely on: none after those that led to the best state, if kept ones follow."""
        kept = self.kept()
        return kept[self.leading] if len(kept) > self.leading else len(self.steps)


def what(step: Step) -> tuple[str, ...]:
    """As `Way.what`."""
    return (*identity(step.finding), step.rewrite, step.title)
