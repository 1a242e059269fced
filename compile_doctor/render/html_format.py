"""The report, and the outcome of `check`, as one HTML file: for a person, in a browser or a mail."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.render.consequence import figures
from compile_doctor.render.entries import INCONCLUSIVE, Target
from compile_doctor.render.html import findings as cards
from compile_doctor.render.html.page import Page, Section, written
from compile_doctor.render.html.report import facts, sections
from compile_doctor.render.html.room import SIZE
from compile_doctor.render.subjects import targets
from compile_doctor.report.report import Report

TARGETS = 60
"""Targets of the gate with a part of their own: the worst first."""
_TONES = {"passed": "good", "failed": "bad"}


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    (shown,) = targets(report)
    assert shown.report is not None
    return written(
        Page(
            title=shown.name,
            word=shown.word,
            tone=_TONES.get(shown.status, "open"),
            sentence=shown.reason,
            facts=facts(report),
            sections=sections(shown.report),
            figures=figures(report),
        )
    )


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    shown = targets(gate)
    states = [target.status for target in shown]
    words = {"failed": "something got worse", INCONCLUSIVE: "some targets are inconclusive", "passed": "passed"}
    status, word = next((state, word) for state, word in words.items() if state in states)
    labels = (("failed", "got worse"), (INCONCLUSIVE, "inconclusive"), ("passed", "passed"))
    counts = ", ".join(f"{states.count(state):,} {label}" for state, label in labels if state in states)
    order = sorted(range(len(shown)), key=lambda number: ("failed", INCONCLUSIVE, "passed").index(shown[number].status))
    made = [
        Section(
            "targets",
            "Targets",
            "targets.html",
            [(f"t{n + 1}" if n in order[:TARGETS] else "", shown[n]) for n in order],
            count=len(shown),
        )
    ]
    told = order[:TARGETS]
    made += [_target(f"t{n + 1}", shown[n], SIZE / len(told)) for n in told]
    if gate.notes:
        made.append(Section("notes", "Notes", "details.html", [("", [("", note) for note in gate.notes])]))
    return written(
        Page(
            title="check",
            word=word,
            tone=_TONES.get(status, "open"),
            sentence=f"{counts} of {len(states):,}",
            facts=(f"torch {gate.torch}", gate.device),
            sections=made,
        )
    )


def _target(name: str, target: Target, size: float) -> Section:
    prefix = f"{name}-"
    if target.report is not None:
        inside = sections(target.report, prefix, 3, target.entries, size)
    else:
        found = cards.of_entries(target.entries, cards.Known(), prefix, size)
        inside = (Section(prefix + "findings", "Findings", "findings.html", found, 3, len(target.entries)),)
    return Section(name, target.name, "target.html", (target, inside))
