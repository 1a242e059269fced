"""CD302: torch.compiler.disable was applied to a compiled flex_attention."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_program import ISOLATED, attention_program
from compile_doctor.checks.attention_values import at_frame, dense_sites
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    reported = set()
    for verdict, cause in dense_sites(seen):
        if cause.check != CHECK.name:
            continue
        frame = cause.frame or verdict.site.frame
        if (frame.file, frame.line) in reported:
            continue
        reported.add((frame.file, frame.line))
        call = verdict.site.frame
        yield CHECK.finding(
            "disable() unwraps the compiled flex_attention",
            "torch.compiler.disable was applied to an already compiled flex_attention. It unwraps the compiled function and "
            f"disables the original one, which runs dense at line {call.line}.",
            cause="disable-unwraps",
            fix=cause.fix,
            evidence=cause.evidence,
            **at_frame(seen, frame),
        )


CHECK = Check(
    code="CD302",
    name="flex-compile-disabled",
    severity="error",
    category="attention",
    summary="The cause of CD301 is torch.compiler.disable applied to an already compiled flex_attention.",
    explanation="""\
`torch.compiler.disable(torch.compile(flex_attention))` is meant to keep the fused kernel out of the outer graph. It
does the opposite on every torch from 2.8 to 2.15, with `recursive=False` too: `disable` removes all wrappers
(`innermost_fn` in torch/_dynamo/eval_frame.py) and wraps the *original* function, so the dense path runs.

A plain function around the compiled one keeps the kernel: `disable` then disables that function, and the compiled
flex_attention inside it is compiled separately. The cost is one graph break.
""",
    detect=detect,
    fires=attention_program(
        "return flex(q, k, v, block_mask=self.mask)",
        before="flex = torch.compiler.disable(torch.compile(flex_attention))",
    ),
    silent=ISOLATED,
)
