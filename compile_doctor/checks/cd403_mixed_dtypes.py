"""CD403: query, key and value differ in dtype."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_site, described, refusal_values
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding

FIX = "Cast to the query's dtype before attention: k, v = k.to(q.dtype), v.to(q.dtype); or fix the projection that differs."


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    refusal = seen.refusal
    if refusal is not None and refusal.check == CHECK.name:
        which = described(seen, refusal, range(3)) if refusal.inputs else ""
        yield CHECK.finding(
            "Query, key and value differ in dtype",
            "Attention requires one dtype for all three."
            + (f" {which[:1].upper()}{which[1:]}." if which else f" {refusal.message}"),
            cause="mixed-dtypes",
            fix=FIX,
            **refusal_values(seen, refusal),
        )
        return
    for verdict in seen.attention:
        found = sorted({tensor.dtype for tensor in verdict.site.inputs if tensor})
        cast = {lowering.node.autocast for lowering in verdict.site.lowerings} - {None}
        if len(found) > 1:
            yield CHECK.finding(
                "Query, key and value differ in dtype",
                f"They are {', '.join(found)}. "
                + (
                    f"autocast is active at this call and casts them to {', '.join(map(str, cast))}: nothing is wrong here. "
                    "For flex_attention torch has done so since 2.11; older versions refuse the call."
                    if cast
                    else "It runs here, but other devices, backends and versions of torch refuse it."
                ),
                severity="info" if cast else CHECK.severity,
                cause="mixed-dtypes-autocast" if cast else "mixed-dtypes",
                fix="Nothing to fix. For torch before 2.11 cast by hand: k, v = k.to(q.dtype), v.to(q.dtype)."
                if cast
                else FIX,
                evidence=tuple(
                    f"{name}: {tensor.dtype}"
                    for name, tensor in zip(("query", "key", "value"), verdict.site.inputs)
                    if tensor
                ),
                **at_site(seen, verdict),
            )


CHECK = Check(
    code="CD403",
    name="mixed-dtypes-in-attention",
    severity="error",
    category="float8",
    summary="q, k and v differ in dtype (float8 or autocast leaking through one projection).",
    explanation="""\
Attention requires query, key and value of one dtype. One projection in another precision, a cache that is filled in
float32, or an operation that autocast leaves in float32 is enough. The result is a ValueError up to torch 2.10; from
2.11 on, a LoweringException from Inductor on CPU, while eager flex_attention computes a result.
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.v = torch.nn.Linear(32, 32), torch.nn.Linear(32, 32)
        self.k = torch.nn.Linear(32, 32).bfloat16()

    def forward(self, x):
        q, k, v = self.q(x), self.k(x.bfloat16()), self.v(x)
        return flex_attention(q[None, None], k[None, None], v[None, None])


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(256, 32),)
""",
    silent="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.v = torch.nn.Linear(32, 32), torch.nn.Linear(32, 32)
        self.k = torch.nn.Linear(32, 32)

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        return flex_attention(q[None, None], k[None, None], v[None, None])


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(256, 32),)
""",
)
