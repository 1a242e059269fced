"""The report as JUnit XML: a testcase per target."""

from __future__ import annotations

from xml.etree import ElementTree

from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.render.entries import INCONCLUSIVE, Entry, Target, at, body, label, one_line
from compile_doctor.render.subjects import targets
from compile_doctor.report.report import Report

_ENTRY = 1500


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    env = report.environment
    return _document(targets(report), {"torch": env.get("torch"), "device": env.get("device")}, ())


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    return _document(targets(gate), {"torch": gate.torch, "device": gate.device}, gate.notes)


def _document(shown: tuple[Target, ...], facts: dict[str, str | None], notes: tuple[str, ...]) -> str:
    states = [target.status for target in shown]
    counts = {"tests": len(states), "failures": states.count("failed"), "errors": states.count(INCONCLUSIVE)}
    numbers = {name: str(count) for name, count in counts.items()}
    time = {"time": f"{sum(_seconds(target) for target in shown):.3f}"}
    root = ElementTree.Element("testsuites", {"name": "compile-doctor", **numbers, **time})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "compile-doctor", **numbers, "skipped": "0", **time})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in facts.items():
        if value:
            ElementTree.SubElement(properties, "property", {"name": name, "value": str(value)})
    for target in shown:
        suite.append(_case(target))
    if notes:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(notes)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(target: Target) -> ElementTree.Element:
    """What fails is the failure's text; everything else is the testcase's output."""
    case = ElementTree.Element(
        "testcase", {"name": target.name, "classname": "compile-doctor", "time": f"{_seconds(target):.3f}"}
    )
    open_end = target.status == INCONCLUSIVE
    passed = target.status == "passed"
    failing = [entry for entry in target.entries if entry.level == "error" and not passed]
    if not passed:
        element = ElementTree.SubElement(case, "error" if open_end else "failure")
        reason = target.reason or (failing[0].finding.title if failing else target.word)
        element.set("message", one_line(reason))
        element.set("type", target.word)
        told = [_paragraph(entry) for entry in failing if entry.kind != INCONCLUSIVE]
        element.text = "\n\n".join(told or [reason])
    rest = [_paragraph(entry) for entry in target.entries if entry.level != "error" or passed]
    if target.outcome:
        rest += [f"better: {change.text}" for change in target.outcome.better]
        rest += ["the result is from the cache"] if target.outcome.cached else []
        rest += [target.outcome.next_step] if target.outcome.hint else []
    if rest:
        ElementTree.SubElement(case, "system-out").text = "\n\n".join(rest)
    return case


def _paragraph(entry: Entry) -> str:
    place = at(entry.finding.location)
    return f"{entry.level}: {label(entry.finding)}{'  ' + place if place else ''}\n{body(entry, _ENTRY)}"


def _seconds(target: Target) -> float:
    return sum(value for value in target.report.timings.values() if value > 0) if target.report else 0.0
