"""`bench` on a CUDA device: SDPA's fused backends, compiled flex_attention, backward, and the allocator's peak."""

from __future__ import annotations

import json

import pytest
from conftest import Run

pytestmark = pytest.mark.gpu

TOKENS, HEADS, DIM = 4096, 8, 64
OUTPUT = HEADS * TOKENS * DIM * 2
SCORES = HEADS * TOKENS * TOKENS * 2


@pytest.fixture(autouse=True)
def _cuda():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


def test_fused_backends_are_measured_with_their_memory(run_cli: Run):
    options = ("--device", "cuda", "--dtype", "bfloat16", "--tokens", TOKENS, "--seconds", "0.2", "--grad")
    done = run_cli("bench", "--suite", *options, "--only", "causal*", "--format", "json", timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["environment"]["gpu"]
    rows = {(row["case"], row["implementation"]): row for row in found["rows"]}
    for name in ("sdpa-flash", "sdpa-efficient", "flex-compiled"):
        forward, backward = rows["causal", name], rows["causal+backward", name]
        assert forward["status"] == backward["status"] == "measured", (forward, backward)
        assert OUTPUT <= forward["peak_bytes"] < SCORES
        assert backward["peak_bytes"] > forward["peak_bytes"]
    assert rows["causal", "flex-eager"]["peak_bytes"] > SCORES
