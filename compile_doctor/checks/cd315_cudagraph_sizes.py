"""CD315: a CUDA graph is recorded for each of many input sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.checks.cuda_graph_values import evidence_of, place_of
from compile_doctor.model.findings import Finding

_SIZES = re.compile(r"We have observed (\d+) distinct sizes")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found = [match for log in seen.evidence.logs if log.kind == "cudagraph" and (match := _SIZES.search(log.message))]
    if not found:
        return
    number = max(int(match[1]) for match in found)
    several = [one for one in seen.cuda_graphs if len(one.functions) > 1]
    yield CHECK.finding(
        "A CUDA graph for each input size",
        f"The graph has dynamic shapes, and each of {number} sizes was recorded by itself: each recording takes time and memory.",
        cause="cudagraph-sizes",
        fix="Pad the inputs to a few sizes; or set torch._inductor.config.triton.cudagraph_skip_dynamic_graphs = True, which leaves "
        "graphs with dynamic shapes out.",
        evidence=(f"torch observed {number} sizes", *(evidence_of(several[0])[:1] if several else ())),
        **(place_of(seen, several[0]) if several else {}),
    )


CHECK = Check(
    code="CD315",
    name="cudagraph-sizes",
    severity="warning",
    category="kernels",
    device="cuda",
    options="--mode reduce-overhead --dynamic",
    summary="A CUDA graph is recorded for each of many input sizes.",
    explanation="""\
A CUDA graph has fixed sizes. For a graph with dynamic shapes torch records one for every size that it meets, and warns
when there are more than torch._inductor.config.triton.cudagraph_dynamic_shape_warn_limit (8). Decoding with a cache
that grows, or batches of any length, record at nearly every call.
""",
    detect=detect,
    fires="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, x):
        return torch.relu(self.linear(x))


def build_model():
    return Model()


def example_input_sets():
    return [(torch.randn(32 + 8 * number, 256),) for number in range(12)]
""",
    silent="""\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, x):
        return torch.relu(self.linear(x))


def build_model():
    return Model()


def example_input_sets():
    sizes = [64, 128]
    return [(torch.randn(sizes[number % 2], 256),) for number in range(12)]
""",
)
