"""`diagnose --numerics` and parity of a model, as a user runs them: real compilations, small models."""

from __future__ import annotations

import json

import pytest
from conftest import run_doctor

pytestmark = pytest.mark.compile

MODEL = """\
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.last, self.idle = nn.Linear(8, 4), nn.Linear(2, 2)

    def forward(self, x):
        y = self.last(self.drop(self.norm(self.first(x)).relu()))
        {tail}


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(16, 8),)
"""


def diagnose(folder, tail, *options):
    (folder / "model.py").write_text(MODEL.replace("{tail}", tail))
    done = run_doctor(folder, "diagnose", "model.py", "--numerics", "--grad", "--format", "json", *options, timeout=600)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def test_training_with_dropout_and_batch_norm_under_inductor(tmp_path):
    """The same seed, the same random numbers; statistics from the same start."""
    report, code = diagnose(tmp_path, "return y.softmax(-1)")
    assert [finding["code"] for finding in report["findings"]] == []
    statuses = {(one["case"], one["direction"]): one["status"] for one in report["numerics"]}
    assert set(statuses) == {
        ("compiled-vs-eager", "forward"),
        ("compiled-vs-eager", "backward"),
        ("state-after", "forward"),
    }
    assert "FAIL" not in statuses.values()
    assert any("draws random numbers" in note for note in report["numerics"][0]["notes"])
    assert code == 0


def test_a_gradient_that_is_wrong_only_when_compiled(tmp_path):
    """A detached part gives the same output, and another gradient."""
    wrong = "return y * 0.9 + (y * 0.1).detach() if torch.compiler.is_compiling() else y"
    report, code = diagnose(tmp_path, wrong, "--backend", "aot_eager")
    (finding,) = report["findings"]
    assert (finding["code"], finding["cause"], code) == ("CD601", "numerics:gradients", 1)
    statuses = {one["direction"]: one["status"] for one in report["numerics"] if one["case"] == "compiled-vs-eager"}
    assert statuses == {"forward": "PASS", "backward": "FAIL"}
    assert "`gradient of " in finding["message"]
