"""Whether the diagnosis of changed files is better than that of the files before: findings gone, nothing new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from compile_doctor.mend.state import State, identity
from compile_doctor.model.findings import Finding


def worse(old: State, new: State, findings: Sequence[Finding]) -> str:
    """Why the new state is not better, according to the diagnoses; empty if it is."""
    before, after = (Counter(identity(one) for one in state.findings) for state in (old, new))
    outcome = next((one for one in new.findings if one.is_outcome), None)
    if outcome is not None and not any(one.is_outcome for one in old.findings):
        return f"the diagnosis had no verdict: {outcome.title}"
    if still_there(old, new, findings):
        return "the finding is still there"
    fewer = sum(after.values()) < sum(before.values())
    # A break on purpose, such as one call that is kept out of graphs, may stand for those that it replaces.
    serious = Counter(identity(one) for one in new.findings if one.severity != "info")
    more = (serious if fewer else after) - before
    # What was behind a break comes to light. If nothing better follows, the search gives the way up.
    if more and not (_compiles_more(old, new) and (fewer or not _moved(old, new))):
        one = next(one for one in new.findings if identity(one) in more)
        at = f" ({Path(one.location.file).name}:{one.location.line})" if one.location else ""
        return f"it brings {one.code} {one.title}{at}"
    if not fewer and (not _compiles_more(old, new) or _moved(old, new)):
        return "it only moves the finding to another line"
    graphs, were = new.report.summary["graphs"], old.report.summary["graphs"]
    if were and not graphs:
        return "nothing is compiled any more"
    if graphs > were and not _compiles_more(old, new):
        return f"there are {graphs} graphs instead of {were}"
    again, had = (state.report.summary["recompiles"] for state in (new, old))
    if any(one.facts.category == "recompiles" for one in findings) and again >= had and not _compiles_more(old, new):
        return f"there are {again} recompilations, and there were {had}"
    if new.report.verdict == "unhealthy" and old.report.verdict == "healthy" and not _compiles_more(old, new):
        return "the verdict is unhealthy, and it was healthy"
    if new.report.verdict == "inconclusive" and old.report.verdict != "inconclusive":
        return f"the diagnosis had no verdict: {new.report.reason}"
    return ""


def still_there(old: State, new: State, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those of the findings that the new state has too: too many of their kind, and one on a line with the same text."""
    before, after = (Counter(identity(one) for one in state.findings) for state in (old, new))
    left = before - Counter(identity(one) for one in findings)
    lines = {(*identity(one), *_line(one)) for one in new.findings}
    same = [one for one in findings if (*identity(one), *_line(one)) in lines]
    return tuple(one for one in same if after[identity(one)] > left[identity(one)])


def _moved(old: State, new: State) -> bool:
    """Whether a finding is on a line that the change has made: it did not come to light, it was carried along."""
    for one in new.findings:
        file = one.location.file if one.location else ""
        if file in new.texts and one.location and one.location.snippet:
            known = old.report.sources.get(file) or ""
            before = {line.strip() for line in (old.texts.get(file) or known).splitlines()}
            if one.location.snippet.strip() not in before and before:
                return True
    return False


def _compiles_more(old: State, new: State) -> bool:
    """Whether less is left to plain Python: what was behind a break then comes to light, and is no damage."""
    a, b = old.report.summary, new.report.summary
    skipped = _skipped(new.findings) < _skipped(old.findings) or b["frames_skipped"] < a["frames_skipped"]
    return bool(b["ops_captured"] > a["ops_captured"] or skipped)


def _skipped(findings: Sequence[Finding]) -> int:
    return sum(1 for one in findings if one.facts.category == "frames")


def _line(finding: Finding) -> tuple[str]:
    """The text of its line."""
    return (finding.location.snippet if finding.location else "",)
