"""CD303: `with torch.compiler.disable():`, which raises."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_program import ISOLATED, attention_program
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    refusal = seen.refusal
    raised = refusal.frame if refusal and refusal.check == CHECK.name else None
    places = [(place.file, place.line, place.function) for place in seen.static.disable_contexts]
    if raised and (raised.file, raised.line) not in [(file, line) for file, line, _ in places]:
        places.append((raised.file, raised.line, raised.function))
    for file, line, function in places:
        ran = raised is not None and (raised.file, raised.line) == (file, line)
        eager = seen.evidence.phases.get("eager")
        control = {"failed": "eager mode fails in the same way"}.get(eager or "", "eager mode was not tried")
        yield CHECK.finding(
            "torch.compiler.disable() is not a context manager",
            "`with torch.compiler.disable():` raises as soon as it is entered, compiled or not."
            + ("" if ran else " This run did not reach the line: compile-doctor found it in the source."),
            severity=CHECK.severity if ran else "warning",
            location=seen.location(file, line, function.rsplit(".", 1)[-1]),
            owner=seen.owner(file),
            cause="disable-context-manager",
            fix="Move the body of the `with` into a function, and put @torch.compiler.disable above that function.",
            evidence=(f"torch: {refusal.message}", control) if ran and refusal else ("a with statement in the source",),
        )


CHECK = Check(
    code="CD303",
    name="disable-as-context-manager",
    severity="error",
    category="attention",
    summary="`with torch.compiler.disable():` raises on every supported torch; found in the source too.",
    explanation="""\
`torch.compiler.disable()` without a function returns a decorator. Used in a `with` statement it raises `RuntimeError:
torch._dynamo.optimize(...) is used with a context manager` on every torch from 2.8 to 2.15, in eager mode too. Move
what should not be compiled into a function and decorate that function.

compile-doctor also finds lines that the run did not reach, in the source of your own files, and reports them as
warnings.
""",
    detect=detect,
    fires=attention_program(
        "with torch.compiler.disable():\n    return flex_attention(q, k, v, block_mask=self.mask)",
    ),
    silent=ISOLATED.replace("compiled_flex = torch.compile(flex_attention)\n\n\n", "").replace(
        "compiled_flex", "flex_attention"
    ),
)
