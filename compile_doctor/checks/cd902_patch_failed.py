"""CD902: a recipe raised while it was applied; all that it had changed was put back."""

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
                fix=f"Leave it out: COMPILE_DOCTOR_DISABLE={one.id}. A recipe that fails is a defect of the recipe: please report it.",
                evidence=("the engine, in the target's process: failed",),
            )


CHECK = Check(
    code="CD902",
    name="patch-failed",
    severity="error",
    category="patches",
    summary="A recipe raised while it was applied; everything it had changed was put back.",
    explanation="""\
All changes of a recipe are made, or none: where one raises, those before it are taken back, and the message says so if
one of them could not be. A recipe that is replaced by somebody else later counts as failed too.
""",
    detect=detect,
)
