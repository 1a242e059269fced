"""Compares two reports of one target, without and with recipes."""

from __future__ import annotations

from compile_doctor.model.findings import Finding
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report
from compile_doctor.report.trial import Trial


def helpful_recipes(report: Report) -> tuple[str, ...]:
    """The recipes that the findings name, in their order."""
    named = dict.fromkeys(finding.recipe for finding in report.findings if finding.recipe)
    return tuple(name for name in named if name)


def compare(before: Report, after: Report) -> Trial:
    """What the recipes change: compares findings by identity, and attention by line."""
    before, after = relative(before), relative(after)
    old = {_identity(finding): finding for finding in before.findings}
    new = {_identity(finding): finding for finding in after.findings}
    attention = []
    verdicts = [{f"{e.location.file}:{e.location.line}": e.verdict for e in one.attention} for one in (before, after)]
    for place in sorted({**verdicts[0], **verdicts[1]}):
        one, other = (found.get(place, "–") for found in verdicts)
        if one != other:
            attention.append((place, one, other))
    return Trial(
        recipes=after.patches,
        verdict=(before.verdict, after.verdict),
        gone=tuple(finding for key, finding in old.items() if key not in new),
        new=tuple(finding for key, finding in new.items() if key not in old),
        attention=tuple(attention),
        max_difference=(before.max_difference, after.max_difference),
        compile_seconds=(float(before.summary["compile_seconds"]), float(after.summary["compile_seconds"])),
    )


def _identity(finding: Finding) -> tuple[str, ...]:
    place = (finding.location.file, finding.location.function) if finding.location else ("", "")
    return (finding.code, finding.owner, finding.cause, *place)
