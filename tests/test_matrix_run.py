"""`matrix` as a user runs it: children that compile, kept cells, and a Ray cluster of two nodes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from conftest import run_doctor

pytestmark = pytest.mark.compile

MODEL = """
import torch
from sizes import WIDTH

MATRIX = {"bias": [False, True], "compile": ["off", "on"], "backend": ["eager"]}


class Model(torch.nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.layer, self.bias = torch.nn.Linear(WIDTH, WIDTH, bias=bias), bias

    def forward(self, x):
        y = self.layer(x)
        if self.bias:
            self.seen = y.sum().item()
        return y


def build_model(bias=False):
    return Model(bias)


def example_inputs(batch=2):
    return (torch.randn(batch, WIDTH),)
"""
ARGUMENTS = ("matrix", "model.py", "--capture", "cells", "--format", "json")


def project(folder: Path) -> None:
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    (folder / "sizes.py").write_text("WIDTH = 4\n", encoding="utf-8")


def verdicts(document: dict) -> list[tuple[str, str, str, str | None]]:
    return [
        (cell["values"]["bias"], cell["values"]["compile"], cell["verdict"], cell["cause"] and cell["cause"]["code"])
        for cell in document["cells"]
    ]


EXPECTED = [
    ("off", "off", "uncompiled", "CD105"),
    ("off", "on", "healthy", None),
    ("on", "off", "uncompiled", "CD105"),
    ("on", "on", "unhealthy", "CD101"),
]


def test_cells_are_diagnosed_kept_and_resumed(tmp_path):
    project(tmp_path)
    done = run_doctor(tmp_path, *ARGUMENTS, timeout=300)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert verdicts(found) == EXPECTED
    assert all(cell["call_seconds"] > 0 and not cell["resumed"] for cell in found["cells"])
    place = found["cells"][3]["cause"]["location"]
    assert (place["file"], place["line"]) == ("model.py", 16)

    shown = run_doctor(tmp_path, "report", found["cells"][3]["capture"])
    assert shown.returncode == 1 and "build_model(bias=True)" in shown.stdout

    again = json.loads(run_doctor(tmp_path, *ARGUMENTS, "--resume", "--axis", "bias=on", timeout=300).stdout)
    assert [(cell["verdict"], cell["resumed"]) for cell in again["cells"]] == [
        ("uncompiled", True),
        ("unhealthy", True),
    ]

    (tmp_path / "sizes.py").write_text("WIDTH = 8\n", encoding="utf-8")
    os.utime(tmp_path / "sizes.py", (time.time() + 60, time.time() + 60))
    fresh = json.loads(run_doctor(tmp_path, *ARGUMENTS, "--resume", "--axis", "bias=on", timeout=300).stdout)
    assert [cell["resumed"] for cell in fresh["cells"]] == [False, False]


def test_set_reaches_the_model_and_the_inputs(tmp_path):
    project(tmp_path)
    given = ("--set", "bias=on", "--set", "batch=3", "--backend", "eager", "--fail-on", "never", "--format", "json")
    done = run_doctor(tmp_path, "diagnose", "model.py", *given)
    found = json.loads(done.stdout)
    assert found["convention"] == "build_model(bias=True), example_inputs(batch=3)"
    assert [one["code"] for one in found["findings"]] == ["CD101"]

    done = run_doctor(tmp_path, "diagnose", "model.py", "--set", "depth=3")
    assert done.returncode == 2
    assert "--set depth: build_model takes no such argument" in done.stderr


def test_a_module_that_is_made_already_takes_no_argument(tmp_path):
    project(tmp_path)
    (tmp_path / "model.py").write_text(MODEL + "\nmade = build_model()\n", encoding="utf-8")
    done = run_doctor(tmp_path, "diagnose", "model.py:made", "--set", "bias=on")
    assert done.returncode == 2
    assert "is made before compile-doctor can pass it anything" in done.stderr


def test_two_nodes_of_a_ray_cluster(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'compile-doctor[ray]'")
    from ray.cluster_utils import Cluster

    project(tmp_path)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    try:
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        cluster.wait_for_nodes()
        settings = {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        done = run_doctor(tmp_path, *ARGUMENTS, "--ray", cluster.address, timeout=400, env=settings)
        assert done.returncode == 1, done.stderr
        found = json.loads(done.stdout)
        assert verdicts(found) == EXPECTED
        assert len({cell["node"] for cell in found["cells"]}) == 2
        assert all(Path(cell["capture"], "capture.json").exists() for cell in found["cells"])
        again = json.loads(
            run_doctor(tmp_path, *ARGUMENTS, "--ray", cluster.address, "--resume", timeout=400, env=settings).stdout
        )
        assert all(cell["resumed"] for cell in again["cells"])
    finally:
        cluster.shutdown()
