"""CD901: a requested recipe matches by version, but one of its guards refused it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.evidence.patches:
        if one.state not in ("refused", "too-late"):
            continue
        late = one.state == "too-late"
        yield CHECK.finding(
            f"The recipe {one.id} was not applied",
            f"It is for this version, but it was {'too late' if late else 'refused'}: {one.reason}. Nothing was changed.",
            owner="mine" if late else "torch",
            cause=f"{one.state}:{one.id}",
            fix="Import compile_doctor.auto before those modules."
            if late
            else "The code in this torch differs from the sources that the recipe was written for: this build differs, or another "
            f"package patches it too. To make the change by hand: compile-doctor patches show {one.id}.",
            evidence=(f"the engine, in the target's process: {one.state}",),
        )


CHECK = Check(
    code="CD901",
    name="patch-skipped",
    severity="warning",
    category="patches",
    summary="A recipe matches by version, but its capability probe or the fingerprint of what it replaces does not match.",
    explanation="""\
A recipe replaces code of torch only if that code is exactly the code that the recipe was written for, if no other
package has replaced it, and if no module has imported the original with `from … import …`. Else it is refused, and the
run continues without it. `compile-doctor patches status` shows the same without a model.
""",
    detect=detect,
)
