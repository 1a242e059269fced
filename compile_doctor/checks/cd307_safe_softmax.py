"""CD307: Dynamo met torch._safe_softmax."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext, is_safe_softmax
from compile_doctor.checks.attention_values import at_site, dense_sites
from compile_doctor.checks.base import Check, site_values
from compile_doctor.checks.consequences import further
from compile_doctor.model.findings import Finding

FIX = "Call torch.compiler.allow_in_graph(torch._safe_softmax) once, before compiling; or use torch.softmax if no row is masked completely."

_WHY = (
    "Dynamo has no rule for torch._safe_softmax, a function of torch's own dense attention, so the graph breaks here."
)


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for site in seen.sites:
        if is_safe_softmax(site.reason):
            yield CHECK.finding(
                "torch._safe_softmax cannot be traced",
                " ".join([_WHY, *further(seen, site)]),
                **{**site_values(seen, site), "fix": FIX},
            )
    inside = [item for item in seen.interior_breaks if is_safe_softmax(item.reason)]
    for verdict, cause in dense_sites(seen):
        if inside:
            yield CHECK.finding(
                "_safe_softmax is only a symptom",
                "Dynamo met torch._safe_softmax inside flex_attention's dense path, which should not have run: CD301. "
                f"{cause.why}",
                severity="info",
                count=len(inside),
                cause="safe-softmax:symptom",
                fix="Fix CD301: this then disappears.",
                evidence=(f"{len(inside)} record{'s' * (len(inside) != 1)} of it in torch's own files",),
                **at_site(seen, verdict),
            )


CHECK = Check(
    code="CD307",
    name="safe-softmax-untraceable",
    severity="error",
    category="attention",
    summary="Dynamo met torch._safe_softmax: called by you, or (then an info) as the symptom of a dense fallback.",
    explanation="""\
torch's dense attention calls `torch._safe_softmax`: a softmax that gives zeros for a row that is masked completely.
Dynamo cannot trace it (GB0007, torch 2.8 to 2.15). There are two very different causes:

- Your own code calls it: `torch.compiler.allow_in_graph(torch._safe_softmax)` fixes that on all versions.
- flex_attention runs dense and Dynamo traces that path from inside. Then CD301 is the cause, and this finding is only
  an info.
""",
    detect=detect,
    fires="""\
import torch


class Scores(torch.nn.Module):
    def forward(self, q, k):
        return torch._safe_softmax(q @ k.transpose(-1, -2), -1)


def build_model():
    return Scores()


def example_inputs():
    return torch.randn(2, 8, 16), torch.randn(2, 8, 16)
""",
    silent="""\
import torch


class Scores(torch.nn.Module):
    def forward(self, q, k):
        return torch.softmax(q @ k.transpose(-1, -2), -1)


def build_model():
    return Scores()


def example_inputs():
    return torch.randn(2, 8, 16), torch.randn(2, 8, 16)
""",
)
