"""`coldstart` as it is called: two starts of a small model, and a target that fails."""

from __future__ import annotations

import json

import pytest
from conftest import run_doctor

pytestmark = pytest.mark.compile

LINEAR = """
import torch

print("said by the target")


def build_model():
    return torch.nn.Linear(2, 2)


def example_inputs():
    return (torch.randn(2, 2),)
"""


def test_the_second_start_hits_what_the_first_left(tmp_path):
    (tmp_path / "model.py").write_text(LINEAR)
    done = run_doctor(tmp_path, "coldstart", "model.py", "--format", "json")
    assert done.returncode == 0, done.stderr
    cold, warm = json.loads(done.stdout)["starts"]
    assert (cold["start"], cold["hits"], cold["misses"]) == ("cold", 0, 1)
    assert (warm["start"], warm["hits"], warm["misses"]) == ("warm", 1, 0)
    assert cold["phases"]["lowering"] > 0 and "lowering" not in warm["phases"]
    assert "said by the target" not in done.stderr


def test_a_target_that_fails_is_no_measurement_and_its_output_is_shown(tmp_path):
    (tmp_path / "model.py").write_text(LINEAR.replace("return torch.nn.Linear(2, 2)", "raise ValueError('no weights')"))
    done = run_doctor(tmp_path, "coldstart", "model.py")
    assert done.returncode == 3 and "The cold start failed: ValueError: no weights." in done.stdout
    assert "said by the target" in done.stderr
