"""CD305: flex_attention ran under a backend that does not lower it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_program import ISOLATED
from compile_doctor.checks.attention_values import at_frame, dense_sites
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for verdict, cause in dense_sites(seen):
        if cause.check == CHECK.name:
            yield CHECK.finding(
                "flex_attention under a backend that does not lower it",
                f"{cause.why} It ran dense at line {verdict.site.frame.line}.",
                cause=cause.key,
                fix=cause.fix,
                evidence=cause.evidence,
                **at_frame(seen, cause.frame or verdict.site.frame),
            )


CHECK = Check(
    code="CD305",
    name="flex-backend-not-lowering",
    severity="error",
    category="attention",
    summary="flex_attention runs under a backend that does not lower it (eager, aot_eager, …).",
    explanation="""\
Only Inductor turns flex_attention into a fused kernel. `eager`, `aot_eager`, `cudagraphs` and most custom backends run
the dense math of the operator. The finding is at the torch.compile call that names the backend, if compile-doctor saw
it.

For a backend from `diagnose --backend` there is no finding: the verdict is then `unverified`.
""",
    detect=detect,
    fires=ISOLATED.replace(
        "compiled_flex = torch.compile(flex_attention)",
        'traced_flex = torch.compile(flex_attention, backend="aot_eager")',
    ).replace("compiled_flex", "traced_flex"),
    silent=ISOLATED,
)
