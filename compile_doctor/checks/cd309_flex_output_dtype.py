"""CD309: flex_attention returns a dtype other than the query's."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_program import attention_program
from compile_doctor.checks.attention_values import at_site
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for verdict in seen.attention:
        for lowering in verdict.site.lowerings:
            node, query = lowering.node, lowering.node.inputs[0]
            if (
                node.api != "flex_attention"
                or query is None
                or node.output_dtype in (None, query.dtype)
                or node.cast_back
            ):
                continue
            yield CHECK.finding(
                "flex_attention changes the dtype",
                f"The query is {query.dtype}, the result {node.output_dtype}, and nothing casts it back: what follows computes "
                "in a precision other than with scaled_dot_product_attention or in eager mode.",
                cause=f"output-dtype:{query.dtype}:{node.output_dtype}",
                fix="Cast the result: flex_attention(q, k, v, …).to(q.dtype), or pass inputs of the dtype that you want. Under "
                "autocast it computes in autocast's dtype.",
                evidence=(
                    f"node {node.node} of graph {lowering.compilation.label}: query {query.dtype}, result {node.output_dtype}",
                ),
                **at_site(seen, verdict),
            )
            break


CHECK = Check(
    code="CD309",
    name="flex-output-dtype",
    severity="warning",
    category="attention",
    summary="flex_attention returns a dtype other than the query's, and nothing casts it back.",
    explanation="""\
flex_attention is meant to return the dtype of its query. Under autocast it computes, and returns, autocast's dtype,
even if the query is float32 (seen on CPU, in compiled code from torch 2.11 on; up to 2.10 the result is float32 there).
A residual addition or a float32 norm after it then has a dtype that the author did not expect.
""",
    detect=detect,
    versions=">=2.11",
    fires=attention_program(
        'with torch.autocast("cpu", dtype=torch.bfloat16):\n    return flex_attention(q, k, v, block_mask=self.mask)',
    ),
    silent=attention_program(
        'with torch.autocast("cpu", dtype=torch.bfloat16):\n'
        "    return flex_attention(q, k, v, block_mask=self.mask).to(q.dtype)",
    ),
)
