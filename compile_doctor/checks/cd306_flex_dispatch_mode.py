"""CD306: a TorchDispatchMode is active around flex_attention."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.input_errors import Refusal
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_program import PLAIN, attention_program
from compile_doctor.checks.attention_values import at_site, dense_sites, refusal_values
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    fix = (
        "Leave the mode before attention is called. To count its FLOPs, use the formula 4 × B × H × Sq × Skv × D, times the "
        "share of blocks that the mask keeps."
    )
    refusal = seen.refusal
    if refusal and refusal.check == CHECK.name:
        yield CHECK.finding(
            "flex_attention under a dispatch mode",
            f"{_name(seen, refusal)} is active, and flex_attention has no rule for it.",
            cause="dispatch-mode",
            fix=fix,
            **refusal_values(seen, refusal),
        )
    for verdict, cause in dense_sites(seen):
        if cause.check == CHECK.name:
            yield CHECK.finding(
                "flex_attention under a dispatch mode",
                f"{cause.why} Under a mode, Dynamo skips the frame, and the dense path runs.",
                cause="dispatch-mode",
                fix=fix,
                evidence=cause.evidence,
                **at_site(seen, verdict),
            )


def _name(seen: AnalysisContext, refusal: Refusal) -> str:
    if refusal.subject:
        return f"{refusal.subject.rsplit('.', 1)[-1]}, a TorchDispatchMode,"
    text = seen.evidence.sources.get(refusal.frame.file, "") if refusal.frame else ""
    return "FlopCounterMode, a TorchDispatchMode," if "FlopCounterMode" in text else "A TorchDispatchMode"


CHECK = Check(
    code="CD306",
    name="flex-under-dispatch-mode",
    severity="error",
    category="attention",
    summary="A TorchDispatchMode is active around flex_attention: it has no rule for the operator, or Dynamo skips the frame.",
    explanation="""\
flex_attention is a higher-order operator. A TorchDispatchMode (FlopCounterMode, a memory tracker, a logger) sees every
operator before it runs, and has no rule for this one: `NotImplementedError: There was no rule registered for …
flex_attention and mode …`, compiled or not. A mode that accepts it (`supports_higher_order_operators`) still prevents
Dynamo from compiling the frame, so the dense path runs.
""",
    detect=detect,
    fires=attention_program(
        "with Counter():\n    return flex_attention(q, k, v, block_mask=self.mask)",
        before="""\
class Counter(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))""",
        imports="from torch.utils._python_dispatch import TorchDispatchMode",
    ),
    silent=PLAIN,
)
