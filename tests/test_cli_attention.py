"""The attention capability through the command line, on the shipped examples and their mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_doctor

from compile_doctor.capture import load_capture

pytestmark = pytest.mark.compile

EXAMPLES = ROOT / "compile_doctor" / "examples"


def diagnose(folder, *arguments):
    done = run_doctor(folder, "diagnose", *arguments, "--format", "json", timeout=600)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def line_of(name: str, text: str) -> int:
    lines = (EXAMPLES / name).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def places(report):
    return {(one["code"], Path(one["location"]["file"]).name, one["location"]["line"]) for one in report["findings"]}


def test_sliding_window_is_proven_to_be_fused(tmp_path):
    report, code = diagnose(tmp_path, "example:sliding-window", "--tokens", "4096", "--require-fused")
    (entry,) = report["attention"]
    assert code == 0 and report["verdict"] == "healthy"
    assert entry["verdict"] == "fused"
    assert entry["evidence"] == {"lowered": True, "executed": True, "bounded": True}
    assert entry["peak_bytes"] < entry["dense_bytes"] / 8
    assert [(step["tokens"], step["ran"]) for step in entry["ladder"]] == [(1024, True), (4096, True)]
    assert report["max_difference"] < 1e-4


def test_the_disabled_one_is_dense_and_never_runs_at_full_size(tmp_path):
    report, code = diagnose(
        tmp_path, "example:sliding-window:disabled", "--tokens", "16384", "--require-fused", "--memory-limit", "8GB"
    )
    (entry,) = report["attention"]
    assert code == 1
    assert entry["verdict"] == "dense"
    assert [step["tokens"] for step in entry["ladder"] if step["ran"]] == [1024, 4096]
    last = entry["ladder"][-1]
    assert last["tokens"] == 16384 and last["dense_bytes"] > 4 * 2 * 16384**2
    # 3.3 score matrices, which is what the process really takes: shapes recorded by the profiler would double it.
    assert 3 < entry["ladder"][1]["peak_bytes"] / (4 * 2 * 4096**2) < 3.7
    call = line_of("sliding_window.py", "attended = self.attention(")
    disable = line_of("sliding_window.py", "torch.compiler.disable(torch.compile(flex_attention))")
    assert {("CD301", "sliding_window.py", call), ("CD302", "sliding_window.py", disable)} <= places(report)


def test_a_size_of_our_choice_that_the_target_refuses_is_left_out(tmp_path):
    (tmp_path / "model.py").write_text(LARGE_ONLY)
    report, code = diagnose(tmp_path, "model.py", "--tokens", "4096", "--backend", "eager")
    assert code == 0 and report["verdict"] == "healthy"
    (entry,) = report["attention"]
    first = entry["ladder"][0]
    assert (first["tokens"], first["ran"]) == (1024, False)
    assert first["reason"] == "the target does not support this size: no less than 2,000"


COUNTING = """\
import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(64, 192)
        self.step = 0

    def forward(self, x):
        self.step += 1
        q, k, v = (p.unflatten(-1, (4, 16)).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q * self.step, k, v, is_causal=True)


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 512, 64),)
"""


def test_a_graph_that_is_compiled_only_while_memory_is_measured_adds_no_call(tmp_path):
    (tmp_path / "model.py").write_text(COUNTING)
    report, _ = diagnose(tmp_path, "model.py", "--backend", "eager")
    (entry,) = report["attention"]
    assert entry["location"]["line"] == 15
    assert entry["peak_bytes"]


def test_a_grid_that_no_quarter_of_is_one(tmp_path):
    report, code = diagnose(tmp_path, "example:sliding-window", "--tokens", "2025", "--backend", "eager")
    assert code == 0, report["findings"]
    (entry,) = report["attention"]
    assert [step["tokens"] for step in entry["ladder"] if step["ran"]] == [529, 2025]


def test_a_size_beyond_what_the_model_takes_is_no_compile_error(tmp_path):
    (tmp_path / "model.py").write_text(POSITIONS)
    report, code = diagnose(tmp_path, "model.py", "--tokens", "1024", "--backend", "eager")
    assert code == 3
    assert [(one["code"], one["title"]) for one in report["findings"]] == [
        ("CD002", "The target fails in eager mode at 1,024 tokens")
    ]


def test_inputs_that_ignore_tokens_prove_nothing_of_them(tmp_path):
    (tmp_path / "model.py").write_text(FIXED)
    report, code = diagnose(tmp_path, "model.py", "--tokens", "4096", "--require-fused")
    assert code == 3
    assert "does not grow" in next(one["title"] for one in report["findings"] if one["code"] == "CD501")


POSITIONS = """\
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.position = torch.nn.Parameter(torch.randn(512, 16))

    def forward(self, x):
        x = x + self.position[: x.shape[-2]]
        return torch.nn.functional.scaled_dot_product_attention(x, x, x)

def build_model():
    return Model()

def example_inputs(tokens=256):
    return (torch.randn(1, 2, tokens, 16),)
"""

FIXED = """\
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.scaled_dot_product_attention(x, x, x)

def build_model():
    return Model()

def example_inputs(tokens=256):
    return (torch.randn(1, 2, 256, 16),)
"""

VARIANTS = {
    "isolated-flex": (set(), "fused"),
    "isolated-flex:disabled": ({"CD301", "CD302"}, "dense"),
    "isolated-flex:context_manager": ({"CD303"}, None),
    "float8-attention": (set(), None),
    "float8-attention:float8_query": ({"CD401"}, None),
    "packed-documents": (set(), "fused"),
    "cpu-flex-defects:view_offset": ({"CD601"}, None),
    "gqa": (set(), "fused"),
    "gqa:mixed_dtypes": ({"CD403"}, "unverified"),
    "packed-documents:rebuilt": ({"CD308"}, None),
    "soft-cap:recompiling": ({"CD202", "CD203", "CD301"}, "mixed"),
    "sdpa": (set(), "fused"),
    "sdpa:math_backend": ({"CD503"}, "dense"),
    "cpu-flex-defects:query_view": ({"CD106"}, "unverified"),
    "cpu-flex-defects:epilogue": ({"CD106"}, "unverified"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_example_teaches_its_mistake(tmp_path, name):
    expected, verdict = VARIANTS[name]
    report, code = diagnose(tmp_path, f"example:{name}")
    found = {one["code"] for one in report["findings"] if one["severity"] != "info"}
    assert expected <= found, (report["verdict"], report["reason"], report["findings"], report["notes"])
    errors = {one["code"] for one in report["findings"] if one["severity"] == "error"}
    assert bool(errors & {"CD301", "CD303", "CD401", "CD403", "CD503", "CD106", "CD601"}) == (code == 1)
    if verdict is not None:
        assert {entry["verdict"] for entry in report["attention"]} == {verdict}, report["attention"]


def test_torchao_linear_layers_are_fine_and_a_training_tensor_is_not(tmp_path):
    pytest.importorskip("torchao")
    (tmp_path / "model.py").write_text(TORCHAO)
    fine, code = diagnose(tmp_path, "model.py:layers")
    assert code == 0
    assert any("float8 layers" in note and "bfloat16" in note for note in fine["notes"])
    bad, code = diagnose(tmp_path, "model.py:query")
    assert code == 1
    (finding,) = [one for one in bad["findings"] if one["code"] == "CD401"]
    assert "Float8TrainingTensor" in finding["message"] and "to_float8" in finding["message"]


TORCHAO = """\
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention
from torchao.float8 import Float8LinearConfig, convert_to_float8_training
from torchao.float8.float8_scaling_utils import hp_tensor_to_float8_dynamic
from torchao.float8.float8_training_tensor import GemmInputRole, LinearMMConfig


def to_float8(x):
    return hp_tensor_to_float8_dynamic(x, torch.float8_e4m3fn, LinearMMConfig(), gemm_input_role=GemmInputRole.INPUT)


class Attention(nn.Module):
    def __init__(self, cast):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(64, 64, bias=False) for _ in range(3))
        self.cast = cast

    def forward(self, x):
        q, k, v = (p(x).view(1, 256, 2, 32).transpose(1, 2).contiguous() for p in (self.q, self.k, self.v))
        if self.cast:
            q = to_float8(q)
        return flex_attention(q, k, v)


def layers():
    model = Attention(False).bfloat16()
    return convert_to_float8_training(model, config=Float8LinearConfig(emulate=True))


def query():
    return Attention(True).bfloat16()


def example_inputs():
    return (torch.randn(1, 256, 64, dtype=torch.bfloat16),)
"""


LARGE_ONLY = """\
import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    def forward(self, q):
        return F.scaled_dot_product_attention(q, q, q)


def build_model():
    return Model()


def example_inputs(tokens=4096):
    if tokens < 2000:
        raise ValueError("no less than 2,000")
    return (torch.randn(1, 1, tokens, 8),)
"""


TRAINING = """\
import sys
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def near(score, b, h, i, j):
    return score - (i - j).abs()


def causal(b, h, i, j):
    return i >= j


mask = create_block_mask(causal, None, None, 2048, 2048, device="cpu") if "masked" in sys.argv else None


@torch.compile
def attend(q, k, v):
    return flex_attention(q * 2, k * 2, v, score_mod=near, block_mask=mask)


def inputs(tokens):
    return (torch.randn(1, 2, tokens, 32) for _ in range(3))


with torch.no_grad():
    for tokens in (256, 2048) if "growing" in sys.argv else (2048, 2048, 2048):
        with torch.profiler.profile() if "profiled" in sys.argv else torch.no_grad():
            attend(*inputs(tokens))
"""


@pytest.mark.parametrize(
    ("words", "verdict", "bounded", "reason"),
    [
        (("masked",), "fused", True, ""),
        (("growing",), "unverified", None, "at 2,048 tokens"),  # without a BlockMask: a buffer of all pairs
        (("masked", "profiled"), "unverified", None, "the program's own profiler was running"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)
def test_run_measures_memory_if_it_is_asked_to(tmp_path, words, verdict, bounded, reason):
    (tmp_path / "train.py").write_text(TRAINING)
    command = ("--", sys.executable, "train.py", *words)
    done = run_doctor(tmp_path, "run", "--memory", "--format", "json", *command, timeout=600)
    (entry,) = json.loads(done.stdout)["attention"]
    assert done.returncode == 0, done.stderr
    assert (entry["verdict"], entry["evidence"]["bounded"]) == (verdict, bounded)
    assert reason in entry["reasons"].get("bounded", ""), entry["reasons"]
    assert entry["evidence"]["lowered"] and entry["evidence"]["executed"]


def test_run_measures_nothing_unasked(tmp_path):
    (tmp_path / "train.py").write_text(TRAINING)
    done = run_doctor(tmp_path, "run", "--format", "json", "--", sys.executable, "train.py", "masked", timeout=600)
    (entry,) = json.loads(done.stdout)["attention"]
    assert entry["verdict"] == "unverified" and "run --memory" in entry["reasons"]["bounded"]


TRAINING_STEP = """\
import torch
import torch.nn.functional as F

q, k, v = (torch.randn(1, 2, 1024, 32, requires_grad=True) for _ in range(3))


@torch.compile
def attend(q, k, v):
    return F.scaled_dot_product_attention(q * 2, k * 2, v, is_causal=True)


for _ in range(3):
    attend(q, k, v).sum().backward()
"""


def test_run_measures_the_backward_too(tmp_path):
    (tmp_path / "train.py").write_text(TRAINING_STEP)
    command = ("--memory", "--capture", "seen", "--format", "json", "--", sys.executable, "train.py")
    done = run_doctor(tmp_path, "run", *command, timeout=600)
    (entry,) = json.loads(done.stdout)["attention"]
    assert (entry["verdict"], entry["evidence"]["bounded"]) == ("fused", True), entry["reasons"]
    windows = load_capture(tmp_path / "seen").attention.windows
    assert sorted(one.name.partition(":")[2] for one in windows) == ["backward:1", "graph:1"]
    assert all(0 < one.largest < 1024 * 1024 * 4 for one in windows)
