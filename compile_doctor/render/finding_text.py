"""A finding in the text report: one line in the list, or in full with its source line, its cause and its fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from compile_doctor.model.findings import Finding
from compile_doctor.render.console import LONGEST, rows
from compile_doctor.render.entries import at, cut
from compile_doctor.render.finding_parts import cost, decompiled
from compile_doctor.report.report import Report
from compile_doctor.source import locations

Line = tuple[Text | str, str | None]
"""A line, and its style."""
STYLES = {"error": "red", "warning": "yellow", "info": "cyan"}
INDENT = "   "
_PLACE, _WHAT = 22, 24
"""Columns to which a place, and then a title, may shrink before the cost is left out of the list."""
_LEAST = 2
"""Lines of a cause and of a fix that are shown even if there is no room."""


def listing(findings: Sequence[Finding], console: Console) -> Iterator[Line]:
    """One line for each finding: number, severity, code, place, what it is, and its cost."""
    places = [f"{locations.short(one.location.file)}:{one.location.line}" if one.location else "–" for one in findings]
    costs = [_short_cost(one) for one in findings]
    number, severe = len(str(len(findings))) + 2, {one.severity for one in findings} == {"error"}
    word = 0 if severe else 2 + max(len(one.severity) for one in findings)
    code = 2 + max(len(one.code) for one in findings)
    place, what, paid = (_widest(texts) for texts in (places, [one.title for one in findings], costs))
    left = console.width - number - word - code - 2
    if place + what + paid + 2 > left:
        places = [_from_the_end(text, max(_PLACE, left - what - paid - 2)) for text in places]
        place = _widest(places)
    if left - place - paid - 2 < _WHAT:
        paid = 0
    what = max(_WHAT, min(what, left - place - (paid + 2 if paid else 0)))
    for index, finding in enumerate(findings):
        line = Text(f"{index + 1:<{number}}")
        line.append("" if severe else f"{finding.severity:<{word}}", style=STYLES[finding.severity])
        line.append(f"{finding.code:<{code}}", style=f"bold {STYLES[finding.severity]}")
        line.append(_padded(places[index], place) + "  ")
        line.append(_padded(_cut(finding.title, what), what))
        line.append(f"  {costs[index]}" if paid else "", style="dim")
        line.rstrip()
        yield line, None


def in_full(
    report: Report,
    number: int,
    finding: Finding,
    console: Console,
    *,
    verbosity: int = 0,
    fix: str | None = None,
    listed: bool = False,
    room: int | None = None,
    rest: str = "",
) -> list[Line]:
    """All that is known of a finding. `fix`: shown instead of its own. `listed`: the list has its cost. `room`: a number
    of lines; what does not fit is cut, and `rest` says where it is."""
    head: list[Line] = [(_head(number, finding), None)]
    code = list(_code(report, finding, console))
    via = finding.via
    if via:
        code.append((f"{INDENT}called from {via.file}:{via.line}: {via.snippet}", None))
    cause = list(wrapped(console, "", finding.message))
    for place in finding.also:
        cause += wrapped(console, "Also   ", at(place))
    advice = list(wrapped(console, "Fix    ", finding.fix if fix is None else fix)) if finding.fix else []
    tail: list[Line] = []
    if finding.recipe:
        hint = "" if report.trial else "  (diagnose --try-recipes shows what it changes)"
        tail += wrapped(console, "Recipe ", finding.recipe + hint)
    if cost(finding) and not listed:
        tail += wrapped(console, "Cost   ", cost(finding))
    seen = [line for text in finding.evidence for line in wrapped(console, "Seen   ", text)]
    if finding.facts.target_fails:
        seen = [(f"{INDENT}│ {line}", "dim") for line in finding.evidence]
    if verbosity:
        return [*head, *code, *cause, *advice, *tail, *seen, *_bytecode(report, finding)]
    if room is None:
        return [*head, *code, *cause, *advice, *tail, *(seen[-12:] if finding.facts.target_fails else ())]

    def tall(lines: Sequence[Line]) -> int:
        return sum(rows(str(line), console.width) for line, _ in lines)

    if tall(head + code + cause + advice + tail) > room:
        code = code[-1 if via is None else -2 :]
        advice = [(line, style) for line, style in advice if str(line).strip()]
    head += code
    left = room - tall(head) - tall(tail)
    cause = _fitting(cause, max(_LEAST, left - tall(advice)), rest)
    advice = _fitting(advice, max(_LEAST, len(advice) + left - tall(cause) - tall(advice)), rest)
    left -= tall(cause) + tall(advice)
    if finding.facts.target_fails:
        while seen and tall(seen) > max(0, left):
            seen = seen[1:]
        return [*head, *cause, *advice, *tail, *seen]
    first = list(wrapped(console, "Seen   ", finding.evidence[0])) if finding.evidence else []
    return [*head, *cause, *advice, *tail, *(first if tall(first) <= left else ())]


def _short_cost(finding: Finding) -> str:
    """`+2 graphs, 1.0 s`, or how often it was seen."""
    graphs = finding.cost.graphs
    parts = [f"+{graphs} graph{'s' * (graphs != 1)}"] if graphs else []
    parts += [f"{finding.cost.seconds:.1f} s"] if finding.cost.seconds >= 0.05 else []
    parts = parts or ([f"seen {finding.count}×"] if finding.count > 1 else [])
    return ", ".join(parts)


def wrapped(console: Console, label: str, text: str) -> Iterator[Line]:
    """Text after a label: one paragraph is wrapped, several lines are code and are not changed."""
    pad = INDENT + " " * len(label)
    lines = cut(text.rstrip(), LONGEST).splitlines() or [""]
    if len(lines) == 1 and ("\t" in lines[0] or cell_len(lines[0]) > console.width - len(pad) - 1):
        lines = [piece.plain.rstrip() for piece in Text(lines[0]).wrap(console, console.width - len(pad) - 1)] or [""]
    for number, line in enumerate(lines):
        yield (pad if number else INDENT + label) + line.rstrip(), None


def _head(number: int, finding: Finding) -> Text:
    head = Text(f"{number:<3}")
    head.append(f"{finding.code} {finding.name}", style=f"bold {STYLES[finding.severity]}")
    if finding.severity != "error":
        head.append(f" ({finding.severity})", style=STYLES[finding.severity])
    if finding.location:
        at = finding.location
        mine = finding.owner == "mine"
        file = at.file if mine else locations.short(at.file)
        head.append(f"  {file}:{at.line} in {at.function}" + ("" if mine else f" ({finding.owner})"))
    return head


def _code(report: Report, finding: Finding, console: Console) -> Iterator[Line]:
    location = finding.location
    if location is None:
        return
    lines = locations.lines_of(report.sources.get(location.file, ""))
    if not 0 < location.line <= len(lines):
        return
    width = len(str(location.line))
    for number in (location.line - 1, location.line):
        if number < 1 or (number != location.line and not lines[number - 1].strip()):
            continue
        mark, style = (">", "bold") if number == location.line else (" ", "dim")
        code = cut(lines[number - 1].rstrip(), console.width - 12)
        yield f"{INDENT}{mark} {number:>{width}} | {code}", style


def _bytecode(report: Report, finding: Finding) -> Iterator[Line]:
    """The decompiled part around the break, if the capture has it."""
    found = decompiled(finding, report.bytecode, report.sources)
    if found:
        yield f"{INDENT}{found.title}", "dim"
        yield from ((f"{INDENT}│ {line}", "dim") for line in found.lines)


def _fitting(lines: list[Line], room: int, rest: str) -> list[Line]:
    if len(lines) <= room:
        return lines
    kept = lines[: room - 1]
    last = str(lines[room - 1][0])
    indent = last[: len(last) - len(last.lstrip())] or INDENT
    return [*kept, (f"{indent}… {rest}", "dim")]


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))


def _cut(text: str, width: int) -> str:
    return " ".join(text.split()) if cell_len(text) <= width else cut(" ".join(text.split()), width)


def _from_the_end(place: str, width: int) -> str:
    """`…/four_breaks.py:22`: the file and the line are what tells places apart."""
    if len(place) <= width:
        return place
    shorter = place[-width + 1 :]
    return "…" + (shorter[shorter.index("/") :] if "/" in shorter else shorter)
