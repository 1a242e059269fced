"""A state of the search: files and options, with what a diagnosis and the comparison with the original showed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from compile_doctor.mend.comparison import Compared, Steps
from compile_doctor.mend.copies import Copy
from compile_doctor.mend.result import Figures
from compile_doctor.model.findings import Finding
from compile_doctor.report.report import Report

Texts = Mapping[str, str]
"""The texts of changed files, by path."""
OF_MACHINE = ("machine", "patches")
"""Categories of findings that no change of the user's files is about."""


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
        return cls({}, {}, report, about(report, None), {})

    @property
    def figures(self) -> Figures:
        summary = self.report.summary
        names = ("graphs", "graph_breaks", "recompiles", "compile_seconds")
        return Figures(len(self.findings), *(summary[name] for name in names))

    def seen(self, found: Compared) -> State:
        """The same with what the comparison of its files showed."""
        return replace(self, ran=found.ran, notes=found.notes, cases=found.cases, gradients=found.gradients)


def about(report: Report, copy: Copy | None) -> tuple[Finding, ...]:
    """The findings that are about the target, with the paths of the originals."""

    def place(location: Any) -> Any:
        return replace(location, file=copy.original(location.file)) if location and copy else location

    kept = [one for one in report.findings if one.facts.category not in OF_MACHINE]
    return tuple(replace(one, location=place(one.location), via=place(one.via)) for one in kept)


def identity(finding: Finding) -> tuple[str, ...]:
    """What a finding has in common with the same one after lines have moved."""
    place = (finding.location.file, finding.location.function) if finding.location else ("", "")
    return (finding.code, finding.cause, *place)
