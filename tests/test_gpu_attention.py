"""Attention on a CUDA device: verdicts, kernels in the profiler's events, memory, SDPA's backends. No network is needed.

    COMPILE_DOCTOR_RECORD=DIR pytest -m gpu tests/test_gpu_attention.py

also keeps each diagnosis as DIR/<torch>-<GPU>/NAME.zip, for replay on a machine without a GPU.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_doctor

pytestmark = pytest.mark.gpu

TOKENS = 16_384
FITS = 4096  # where the dense path fits too: below 2 GB
PROVEN = {"lowered": True, "executed": True, "bounded": True}
TRITON_FLEX = re.compile(r"triton_tem_fused_(\w+_)?\d+")  # holds `flex_attention` from torch 2.10 on
PACK = "import sys, pathlib, record; record.pack(*map(pathlib.Path, sys.argv[1:]))"

SDPA = """\
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel


class Model(torch.nn.Module):
    def forward(self, q, k, v):
        with sdpa_kernel(SDPBackend.{backend}):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def build_model():
    return Model()


def example_inputs(tokens=1024):
    return tuple(torch.randn(1, 4, tokens, 64, dtype=torch.bfloat16) for _ in range(3))
"""


@pytest.fixture(scope="module", autouse=True)
def cuda():
    """torch with a CUDA device; skipping costs no import of torch where there is no driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.skip("needs a CUDA device: this machine has no CUDA driver (libcuda.so.1)")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip(f"needs a CUDA device: torch {torch.__version__} finds none")
    return torch


@pytest.fixture
def doctor(tmp_path):
    """diagnose(name, *arguments): exit code and report; the capture is packed for replay, and shown to say the same."""

    def diagnose(name: str, *arguments: object) -> tuple[int, dict]:
        capture = tmp_path / f"{name}-capture"
        wanted = (*arguments, "--device", "cuda", "--format", "json", "--capture", capture, "--timeout", 500)
        done = run_doctor(tmp_path, "diagnose", *wanted, timeout=560)
        assert done.returncode in (0, 1, 3), done.stderr
        report = json.loads(done.stdout)
        assert report["environment"]["device"] == "cuda", done.stderr
        if "COMPILE_DOCTOR_RECORD" in os.environ:
            replayed = replay(pack(capture, name, report["environment"], tmp_path), tmp_path)
            assert [f["code"] for f in replayed["findings"]] == codes(report)
            assert [without_place(e) for e in replayed["attention"]] == [without_place(e) for e in report["attention"]]
        return done.returncode, report

    return diagnose


def pack(capture: Path, name: str, environment: dict, programs: Path) -> Path:
    """A zip without paths of this machine, as tests/record.py makes them."""
    machine = re.sub(r"[^\w.+-]+", "-", f"{environment['torch']}-{environment['gpu']}")
    target = Path(os.environ["COMPILE_DOCTOR_RECORD"]).resolve() / machine / f"{name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", PACK, str(capture), str(target), str(programs)]
    paths = os.pathsep.join((str(ROOT / "tests"), str(ROOT)))
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, timeout=120)
    return target


def replay(recorded: Path, cwd: Path) -> dict:
    done = run_doctor(cwd, "report", recorded, "--format", "json")
    assert done.returncode in (0, 1, 3), done.stderr
    return json.loads(done.stdout)


def without_place(entry: dict) -> dict:
    return {**entry, "location": Path(entry["location"]["file"]).name, "owner": None}


def codes(report: dict) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


def only(report: dict) -> dict:
    (entry,) = report["attention"]
    return entry


def proven(result: tuple[int, dict], tokens: int) -> dict:
    """The one attention call of a model that is proven to be fused at that size."""
    code, report = result
    entry = only(report)
    assert (entry["verdict"], entry["evidence"]) == ("fused", PROVEN), entry
    assert (code, entry["tokens"], entry["kernel"] is not None) == (0, tokens, True), codes(report)
    assert entry["peak_bytes"] < entry["dense_bytes"] / 8
    return entry


def test_fused_at_16384_tokens(doctor):
    entry = proven(doctor("sliding-window", "example:sliding-window", "--tokens", TOKENS, "--require-fused"), TOKENS)
    assert entry["dense_bytes"] == 2 * TOKENS**2 * 4
    assert TRITON_FLEX.fullmatch(entry["kernel"])
    assert [step["ran"] for step in entry["ladder"]] == [True] * 3


def test_disabled_is_caught_without_16384_dense_tokens(doctor):
    code, report = doctor("disabled", "example:sliding-window:disabled", "--tokens", TOKENS, "--require-fused")
    entry = only(report)
    assert (code, entry["verdict"]) == (1, "dense")
    assert {"CD301", "CD302"} <= set(codes(report))
    last = entry["ladder"][-1]
    assert (last["tokens"], last["ran"], last["peak_bytes"]) == (TOKENS, False, None)
    assert last["dense_bytes"] > 2 * TOKENS**2 * 4


def test_memory_of_the_dense_path_where_it_fits(doctor):
    _, report = doctor("disabled-fits", "example:sliding-window:disabled", "--tokens", FITS)
    entry = only(report)
    assert (entry["verdict"], entry["evidence"]["executed"], entry["tokens"]) == ("dense", False, FITS)
    assert entry["peak_bytes"] > entry["dense_bytes"] == 2 * FITS**2 * 4


def test_isolated_by_a_plain_function(doctor):
    proven(doctor("isolated", "example:isolated-flex", "--tokens", TOKENS, "--require-fused"), TOKENS)


def test_backward(doctor):
    arguments = ("example:sliding-window", "--tokens", TOKENS, "--grad", "--require-fused")
    proven(doctor("backward", *arguments), TOKENS)


def test_grouped_queries(doctor):
    entry = proven(doctor("gqa", "example:gqa", "--tokens", TOKENS, "--require-fused"), TOKENS)
    assert (entry["q_shape"][1], entry["kv_shape"][1]) == (8, 2)


def test_float8_linear_layers(doctor, cuda):
    if cuda.cuda.get_device_capability() < (8, 9):
        pytest.skip(f"Triton has no float8_e4m3fn on {cuda.cuda.get_device_name()}: it needs compute capability 8.9")
    result = doctor("float8-linear", "example:float8-attention", "--tokens", TOKENS, "--require-fused")
    assert proven(result, TOKENS)["dtype"] == "bfloat16"


def test_float8_query(doctor):
    code, report = doctor("float8-query", "example:float8-attention:float8_query")
    assert code == 1 and "CD401" in codes(report)


@pytest.mark.parametrize("backend", ["flash", "efficient", "cudnn"])
def test_sdpa_names_the_fused_backend(doctor, cuda, tmp_path, backend):
    usable = getattr(cuda.backends.cuda, f"can_use_{backend}_attention")
    q = cuda.empty(1, 4, 1024, 64, dtype=cuda.bfloat16, device="cuda")
    if not usable(cuda.backends.cuda.SDPAParams(q, q, q, None, 0.0, True, False)):
        pytest.skip(f"torch {cuda.__version__} has no {backend} attention for {cuda.cuda.get_device_name()}")
    (tmp_path / "model.py").write_text(SDPA.format(backend=f"{backend.upper()}_ATTENTION"))
    entry = proven(doctor(f"sdpa-{backend}", "model.py", "--tokens", FITS, "--require-fused"), FITS)
    assert (entry["api"], entry["backend"]) == ("sdpa", backend)


def test_sdpa_math_is_dense(doctor, tmp_path):
    (tmp_path / "model.py").write_text(SDPA.format(backend="MATH"))
    code, report = doctor("sdpa-math", "model.py", "--tokens", FITS, "--require-fused")
    entry = only(report)
    assert (code, entry["backend"], entry["verdict"]) == (1, "math", "dense")
    assert "CD503" in codes(report)


@pytest.mark.parametrize("queries", [1024, 4], ids=["prefill", "decode"])
def test_the_kernel_in_the_code_is_the_one_in_the_profilers_events(cuda, queries):
    from torch._inductor.utils import run_and_get_code
    from torch.nn.attention.flex_attention import flex_attention
    from torch.profiler import ProfilerActivity, profile

    from compile_doctor.model.kernels import find_kernels

    grad = queries > 128  # decoding has no backward
    q, k, v = (
        cuda.randn(1, 4, size, 64, device="cuda", dtype=cuda.bfloat16, requires_grad=grad)
        for size in (queries, 1024, 1024)
    )
    compiled = cuda.compile(lambda q, k, v: flex_attention(q, k, v).cos())

    def step():
        out = compiled(q, k, v)
        if grad:
            out.sum().backward()

    _, code = run_and_get_code(step)
    written = {kernel.name for text in code for kernel in find_kernels(text)}
    assert written and all(TRITON_FLEX.fullmatch(name) for name in written)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        step()
        cuda.cuda.synchronize()
    ran = {event.name for event in profiler.events() if str(event.device_type).endswith("CUDA")}
    assert written <= ran
    templates = {name for name in ran if TRITON_FLEX.fullmatch(name)}
    assert len(templates) == 1 + grad  # forward, and one kernel for the backward
