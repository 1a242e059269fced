"""CD301: flex_attention ran the dense math path."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check, needs
from compile_doctor.checks.attention_program import PLAIN, attention_program
from compile_doctor.checks.attention_values import at_site, dense_sites, seen_of
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding
from compile_doctor.model.sizes import human


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for verdict, cause in dense_sites(seen):
        site = verdict.site
        calls = sum(call.count for call in site.dense)
        sometimes = " Other calls of this line were fused." if verdict.verdict == "mixed" else ""
        owner = find_check(cause.check)
        see = f" ({owner.code})" if owner else ""
        size = f" At {site.tokens:,} tokens that took {human(site.peak)}." if site.peak and site.tokens else ""
        refused = (
            " compile-doctor stopped it, because it would not have fitted in memory."
            if seen.evidence.attention.refused
            else ""
        )
        yield CHECK.finding(
            "flex_attention ran dense",
            f"The dense math path computed and kept every score.{size}{refused}{sometimes} Why: {cause.why}{see}",
            count=calls,
            cause=f"dense:{cause.key}",
            fix=cause.fix,
            evidence=(*seen_of(verdict), *cause.evidence),
            **at_site(seen, verdict),
        )


CHECK = Check(
    code="CD301",
    name="flex-dense-fallback",
    severity="error",
    category="attention",
    consequence=True,
    needs=(needs.watched,),
    summary="A flex_attention call ran the dense math path (observed, not inferred).",
    explanation="""\
flex_attention has two ways to run. Compiled by Inductor it is one fused kernel, whose memory grows linearly with the
tokens. Everywhere else it takes the *dense* path: it computes the whole score matrix, keeps several copies of it (batch
× heads × queries × keys, in float32), and takes gigabytes at 16,384 tokens. torch gives no warning, or one per process.

The evidence is the operator itself: every dense execution passes one entry (`CompositeExplicitAutograd` in
`torch._higher_order_ops.flex_attention`), which compile-doctor watches. The finding names what prevented the fused
kernel.
""",
    detect=detect,
    fires=attention_program(
        "return dense_flex(q, k, v, block_mask=self.mask)",
        before="dense_flex = torch.compiler.disable(flex_attention)",
    ),
    silent=PLAIN,
)
