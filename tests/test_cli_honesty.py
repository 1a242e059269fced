"""What a new user's trial found claimed and not so: each mistake, as a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, run_doctor

pytestmark = pytest.mark.compile

MODEL = """\
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        {body}

def build_model():
    return Model()

def example_inputs():
    return ({inputs},)
"""


def diagnose(folder, body, inputs="-torch.ones(4)", *options):
    (folder / "model.py").write_text(MODEL.format(body=body, inputs=inputs))
    done = run_doctor(folder, "diagnose", "model.py", "--backend", "eager", "--format", "json", *options)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def test_nan_under_compile_only_is_not_the_same_output(tmp_path):
    report, code = diagnose(tmp_path, "return x.log() if torch.compiler.is_compiling() else x + 1")
    assert report["max_difference"] is None
    assert "NaN" in report["not_compared"]
    assert ([finding["code"] for finding in report["findings"]], code) == (["CD601"], 1)


def test_integers_are_compared(tmp_path):
    body = "return x.long() + (1 if torch.compiler.is_compiling() else 0)"
    report, _ = diagnose(tmp_path, body)
    assert report["max_difference"] == 1.0


def test_the_doctors_no_grad_is_not_the_targets_mistake(tmp_path):
    body = "w = torch.ones(4, requires_grad=True); (w * x).sum().backward(); return w.grad"
    report, code = diagnose(tmp_path, body)
    assert (report["findings"][0]["code"], code) == ("CD002", 3)
    assert report["findings"][0]["fix"] == "Add --grad."
    report, _ = diagnose(tmp_path, body, "torch.ones(4)", "--grad")
    assert "CD002" not in [finding["code"] for finding in report["findings"]]


def test_fullgraph_keeps_the_cause_of_the_break(tmp_path):
    (tmp_path / "model.py").write_text(
        "import torch\n\ndef step(x):\n    if x.sum() > 0:\n        x = x + 1\n    return x.relu()\n\n"
        "net = torch.compile(step, backend='eager', fullgraph=True)\n\ndef example_inputs():\n    return (torch.ones(4),)\n"
    )
    done = run_doctor(tmp_path, "diagnose", "model.py:net", "--format", "json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["code"], finding["location"]["line"]) == ("CD106", 4)
    assert "torch.where" in finding["fix"]


def test_an_unknown_backend_is_a_usage_error(tmp_path):
    (tmp_path / "model.py").write_text(MODEL.format(body="return x.relu()", inputs="torch.ones(4)"))
    done = run_doctor(tmp_path, "diagnose", "model.py", "--backend", "nope")
    assert done.returncode == 2
    assert "nope" in done.stderr
    assert not done.stdout


def test_a_failed_command_is_said_to_have_failed(tmp_path):
    done = run_doctor(tmp_path, "run", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert done.returncode == 7
    assert "The command failed (exit status 7) before anything was compiled." in done.stdout


def test_nothing_outlives_a_terminated_doctor(tmp_path):
    (tmp_path / "sleeps.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-m", "compile_doctor", "run", "--", sys.executable, "sleeps.py"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    doctor = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    pid = tmp_path / "pid"
    while not pid.exists() or not pid.read_text():
        assert doctor.poll() is None
        time.sleep(0.05)
    doctor.send_signal(signal.SIGTERM)
    said, _ = doctor.communicate(timeout=60)
    assert doctor.returncode == 128 + signal.SIGTERM  # whoever ends it asks for nothing else; what was seen is reported
    assert b"INCONCLUSIVE" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
