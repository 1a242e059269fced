"""CUDA graphs on a CUDA device: each check's two programs, and memory, which a replay does not allocate. No network is needed.

    COMPILE_DOCTOR_RECORD=DIR pytest -m gpu tests/test_gpu_cuda_graphs.py

also keeps each diagnosis for replay, as test_gpu_attention.py does.
"""

from __future__ import annotations

import pytest
from test_gpu_attention import PROVEN, codes, cuda, doctor  # noqa: F401  # fixtures

from compile_doctor.checks import own_checks

pytestmark = pytest.mark.gpu

ABOUT_GRAPHS = [check for check in own_checks() if check.device == "cuda"]


@pytest.mark.parametrize("check", ABOUT_GRAPHS, ids=lambda check: check.code)
@pytest.mark.parametrize("kind", ["fires", "silent"])
def test_a_check_fires_and_is_silent(doctor, tmp_path, check, kind):  # noqa: F811
    (tmp_path / "model.py").write_text(getattr(check, kind))
    _, report = doctor(f"{check.code.lower()}-{kind}", "model.py", *check.options.split())
    assert (check.code in codes(report)) == (kind == "fires"), report["cuda_graphs"]
    if kind == "silent" and check.facts.uncaptured:
        assert {one["state"] for one in report["cuda_graphs"]} == {"captured"}


@pytest.mark.parametrize("grad", [[], ["--grad"]], ids=["inference", "training"])
def test_attention_in_a_cuda_graph_is_measured_without_it(doctor, grad):  # noqa: F811
    wanted = (
        "--mode",
        "reduce-overhead",
        "--repeat",
        4,
        "--tokens",
        4096,
        "--require-fused",
        "--require-cudagraphs",
        *grad,
    )
    code, report = doctor(f"graphs-{'training' if grad else 'inference'}", "example:sliding-window", *wanted)
    (entry,) = report["attention"]
    assert (code, entry["verdict"], entry["evidence"]) == (0, "fused", PROVEN), entry
    assert 0 < entry["peak_bytes"] < entry["dense_bytes"]  # 34 MB of it are cuBLAS' workspace
    assert any("CUDA graphs off" in note for note in report["notes"])
    assert {one["state"] for one in report["cuda_graphs"]} == {"captured"}


def test_a_training_step_of_several_blocks_is_bounded_by_its_largest_allocation(doctor):  # noqa: F811
    """The whole peak exceeds the scores; no single allocation holds them."""
    arguments = ("example:gpt:flex", "--grad", "--tokens", 16_384, "--require-fused")
    code, report = doctor("gpt-flex-training", *arguments)
    assert (code, {entry["verdict"] for entry in report["attention"]}) == (0, {"fused"})
