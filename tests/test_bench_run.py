"""`bench` for real, on tiny shapes: what is measured, what is refused, and what dies. No time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

pytestmark = pytest.mark.compile

DECODER = """
import torch

class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Linear(8, 8)

    def forward(self, x, before):
        y = before + self.mix(x).cumsum(1)
        return y, y[:, -1:]

def build_model():
    return Decoder()

def example_inputs(tokens=4):
    return (torch.randn(1, tokens, 8),)

def full(model, inputs):
    return model(inputs[0], torch.zeros(1, 1, 8))[0]

def incremental(model, inputs, chunk):
    before, found = torch.zeros(1, 1, 8), []
    for part in inputs[0].split(chunk, 1):
        y, before = model(part, before)
        found.append(y)
    return torch.cat(found, 1)
"""

BACKENDS = """
import os, signal
import torch
from torch._dynamo import register_backend

@register_backend
def kills(graph, inputs):
    os.kill(os.getpid(), signal.SIGKILL)

@register_backend
def adds_one(graph, inputs):
    return lambda *args: tuple(one + 1 for one in graph(*args))

def build_model():
    return torch.nn.Linear(4, 4)

def example_inputs():
    return (torch.randn(2, 4),)
"""

ATTENTION = """
import torch

def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None, shift=0):
    if score_mod is not None:
        raise NotImplementedError("no score_mod")
    scores = q @ k.mT * (scale or q.shape[-1] ** -0.5)
    rows, columns = (torch.arange(one.shape[2]) for one in (q, k))
    if mask_mod is not None:
        zero = torch.zeros((), dtype=torch.long)
        scores = scores.masked_fill(~mask_mod(zero, zero, rows[:, None] + shift, columns), float("-inf"))
    return scores.softmax(-1) @ v

def shifted(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attention(q, k, v, mask_mod=mask_mod, score_mod=score_mod, scale=scale, shift=1)
"""


def measured(run_cli: Run, *arguments: object, code: int = 0) -> list[dict]:
    done = run_cli("bench", *arguments, "--seconds", "0.1", "--format", "json", timeout=600)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)["rows"]


def test_the_suite_measures_what_this_device_has(run_cli, tmp_path):
    shape = ("--tokens", "64", "--heads", "2", "--kv-heads", "1", "--head-dim", "16")
    table = tmp_path / "table.txt"
    rows = measured(run_cli, "--suite", *shape, "--only", "causal", "-o", f"text:{table}")
    found = {row["implementation"]: row for row in rows}
    for name in ("flex-eager", "flex-compiled", "sdpa-math", "sdpa-flash", "sdpa-compiled"):
        row = found[name]
        assert row["status"] == "measured", row
        assert row["median_seconds"] > 0 and row["calls"] > 1
        assert row["ratio"] is None or row["ratio"] >= 1.0  # None: on a busy machine, too noisy to rank
        assert row["difference"] <= row["tolerance"]
        assert row["peak_bytes"] >= 2 * 64 * 16 * 4  # its output
        assert row["seconds_per_token"] == row["median_seconds"] / 64
    assert found["flex-compiled"]["compile_seconds"] > found["flex-compiled"]["median_seconds"]
    assert found["sdpa-flash"]["compile_seconds"] is None
    assert found["flex-eager"]["peak_bytes"] > 2 * 64 * 64 * 4  # its scores
    assert found["sdpa-efficient"]["status"] == "unsupported"
    assert rows[0]["ratio"] in (1.0, None)
    assert "flex-compiled" in table.read_text(encoding="utf-8")


def test_an_attention_function_is_measured_beside_the_others_and_a_wrong_one_is_not(run_cli, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(ATTENTION, encoding="utf-8")
    options = ("--tokens", "64", "--heads", "2", "--only", "causal", "--only", "target", "--only", "sdpa-flash")
    rows = measured(run_cli, file, *options)
    assert sorted((row["implementation"], row["status"]) for row in rows) == [
        ("sdpa-flash", "measured"),
        ("target", "measured"),
    ]
    wrong = measured(run_cli, f"{file}:shifted", *options)[-1]
    assert (wrong["implementation"], wrong["status"], wrong["ratio"]) == ("target", "wrong", None)
    assert wrong["difference"] > 100 * wrong["tolerance"]
    assert "float64" in wrong["reason"]


def test_a_decoder_is_measured_in_prefill_and_step_by_step(run_cli, tmp_path):
    file = tmp_path / "decoder.py"
    file.write_text(DECODER, encoding="utf-8")
    rows = measured(run_cli, file, "--tokens", "6", "--backend", "eager")
    assert {(row["case"], row["tokens"], row["implementation"], row["status"]) for row in rows} == {
        (case, 6, name, "measured") for case in ("prefill", "decode") for name in ("eager", "backend-eager")
    }
    assert all(row["positions"] == 6 for row in rows)
    assert all(row["difference"] is not None for row in rows if row["implementation"] == "backend-eager")


def test_what_dies_costs_its_own_row_and_what_is_wrong_has_no_time(run_cli, tmp_path):
    file = tmp_path / "backends.py"
    file.write_text(BACKENDS, encoding="utf-8")
    eager, dead = measured(run_cli, file, "--backend", "kills")
    assert (eager["status"], dead["status"]) == ("measured", "died")
    assert "SIGKILL" in dead["reason"]
    eager, wrong = measured(run_cli, file, "--backend", "adds_one")
    assert (eager["status"], wrong["status"], wrong["median_seconds"]) == ("measured", "wrong", None)
    done = run_cli("bench", file, "--backend", "no-such")
    assert done.returncode == 2
    assert "no-such" in done.stderr and "Traceback" not in done.stderr


def test_attention_that_does_not_fit_is_not_tried(run_cli, tmp_path):
    shape = ("--tokens", "40000", "--heads", "1", "--head-dim", "16")  # scores of 22 GB
    limit = ("--memory-limit", "4GB")
    (row,) = measured(run_cli, "--suite", *shape, "--only", "causal", "--only", "sdpa-math", *limit, code=3)
    assert row["status"] == "not-run"
    assert "free" in row["reason"]


def test_a_target_that_cannot_be_imported_is_a_usage_error(run_cli, tmp_path):
    Path(tmp_path / "broken.py").write_text("import nothing_like_it", encoding="utf-8")
    done = run_cli("bench", "broken.py")
    assert done.returncode == 2
    assert "nothing_like_it" in done.stderr
    assert "Traceback" not in done.stderr
