"""CD902: a recipe raised while it was applied; everything that it had changed was restored."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.evidence.patches:
        if one.state == "failed":
            yield CHECK.finding(
                f"The recipe {one.id} failed",
                f"It could not be applied, or did not stay: {one.reason}.",
                owner="torch",
                cause=f"failed:{one.id}",
                fix=f"Leave it out: COMPILE_DOCTOR_DISABLE={one.id}. A recipe that fails has a defect: report it to compile-doctor.",
                evidence=("the engine, in the target's process: failed",),
            )


CHECK = Check(
    code="CD902",
    name="patch-failed",
    severity="error",
    category="patches",
    summary="A recipe raised while it was applied; everything that it had changed was restored.",
    explanation="""\
Either all changes of a recipe are made, or none. If one raises, those before it are reverted; the message reports it if
one of them could not be. A recipe that other code replaces later also counts as failed.
""",
    detect=detect,
)
