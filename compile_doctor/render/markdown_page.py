"""The parts of the Markdown report, as many as fit into a comment."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.model.sizes import human
from compile_doctor.render.attention_table import HEAD, explained
from compile_doctor.render.entries import Entry, Target, at, cut, label, one_line
from compile_doctor.render.markdown_escape import code_block, inline, table
from compile_doctor.source import locations

SIZE = 60_000
"""GitHub takes comments of up to 65,536 characters."""
_DETAILS = 20
_FINDINGS = ("severity", "finding", "place", "what")
_ATTENTION = ("place", *HEAD)


class Page:
    """Collects blocks; each part takes a share of the remaining size, so that there is some left for later parts."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._left = SIZE

    def add(self, block: str) -> None:
        self._blocks.append(block)
        self._left -= len(block) + 2

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"

    def table(self, title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], folded: bool = False) -> None:
        """Adds nothing if there are no rows."""
        if not rows:
            return
        block = table(head, rows, self._left // 2)
        if folded:
            self.add(_folded(f"{title} ({len(rows):,})", block))
        else:
            self.add(f"#### {title}\n\n{block}" if title else block)

    def findings(
        self, title: str, entries: Sequence[Entry], gate: bool, folded: bool = False, numbered: bool = False
    ) -> None:
        """`numbered`: `details` follow, with the same numbers."""
        rows = [((inline(entry.target),) if gate else ()) + _finding(entry) for entry in entries]
        if numbered:
            rows = [(f"{number}", *row) for number, row in enumerate(rows, 1)]
        head = (("",) if numbered else ()) + (("target",) if gate else ()) + _FINDINGS
        self.table(title, head, rows, folded)

    def attention(self, calls: Iterable[tuple[Target, AttentionEntry]], gate: bool) -> None:
        rows = [
            ((inline(target.name),) if gate else ()) + row
            for target, entry in calls
            for row in _ladder(entry, target.report is not None and explained(target.report, entry))
        ]
        self.table("Attention", (("target",) if gate else ()) + _ATTENTION, rows)

    def details(self, entries: Sequence[Entry], verbosity: int) -> None:
        """Line, cause and fix of the first entries, folded; nothing for a change whose one line is complete."""
        fixes: dict[str, int] = {}
        for number, entry in enumerate(entries[:_DETAILS], 1):
            first = fixes.setdefault(entry.finding.fix, number)
            block = _details(number, entry, verbosity, f"as for {first}" if first != number else entry.finding.fix)
            if block and len(block) < self._left // 2:
                self.add(block)

    def notes(self, notes: Sequence[str]) -> None:
        self.table("Notes", ("note",), [(inline(note),) for note in notes], folded=True)


def _finding(entry: Entry) -> tuple[str, ...]:
    finding = entry.finding
    what = finding.title
    if entry.kind == "regression":
        what = entry.note if what in entry.note else f"{what} ({entry.note})"
    elif entry.kind == "waived":
        what += f" (waived: {entry.note})"
    count = f" ({finding.count}×)" if finding.count > 1 else ""
    return entry.level, inline(label(finding)), inline(at(finding.location)), inline(what) + count


def _ladder(entry: AttentionEntry, told: bool) -> list[tuple[str, ...]]:
    """A row for each size; the verdict of the call if there is no ladder. `told`: a finding has the reason."""
    place = inline(f"{locations.short(entry.location.file)}:{entry.location.line} {entry.api}")
    rows: list[tuple[str, ...]] = [
        (
            place,
            f"{step.tokens:,}" if step.tokens else "–",
            human(step.peak) if step.peak is not None else ("–" if step.ran else "not run"),
            human(step.dense) if step.dense is not None else "–",
            human(step.fused) if step.fused is not None else "–",
            inline(step.verdict),
        )
        for step in entry.ladder
    ]
    rows = rows or [(place, "–", "–", "–", "–", inline(entry.verdict))]
    if entry.reason and entry.verdict != "fused" and not told:
        rows[-1] = (*rows[-1][:-1], f"{rows[-1][-1]}: {inline(entry.reason)}")
    return rows


def _details(number: int, entry: Entry, verbosity: int, fix: str) -> str:
    finding = entry.finding
    parts = []
    for place, relation in ((finding.location, ""), (finding.via, "called from ")):
        if place and place.snippet:
            line = f"{relation}line {inline(at(place))}" if relation else ""
            parts += [line, code_block(cut(place.snippet, 500), "python")]
    parts += [_text("Why", finding.message), _text("Fix", fix)]
    parts += [f"Recipe: {inline(finding.recipe)}" if finding.recipe else ""]
    if verbosity and finding.evidence:
        parts.append(_text("Evidence", "\n".join(finding.evidence[-12:])))
    parts = [part for part in parts if part]
    return _folded(f"{number}. {label(finding)}: cause and fix", "\n\n".join(parts)) if parts else ""


def _text(name: str, text: str) -> str:
    """One line as prose; several lines are code or a quoted message, and are not changed."""
    text = text.strip("\n").rstrip()
    if "\n" in text:
        return f"{name}:\n\n{code_block(cut(text, 2000), 'text')}"
    return f"{name}: {inline(text, 1500)}" if text else ""


def _folded(summary: str, block: str) -> str:
    # <code> prevents mentions; after the empty line, Markdown is rendered again.
    shown = html.escape(one_line(summary, 200), quote=False)
    return f"<details>\n<summary><code>{shown}</code></summary>\n\n{block}\n\n</details>"
