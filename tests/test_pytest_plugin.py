"""The pytest plugin, in a pytest of its own: fixture, mark, what a failure shows, xdist's order of things."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from compile_doctor.pytest_plugin import CompileHealth

TESTS = """
import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention


def clean(x):
    return x.relu() + 1


def broken(x):
    y = x + 1
    print("hello")
    return y.relu()


def run(function):
    torch._dynamo.reset()
    return torch.compile(function, backend="eager")(torch.randn(3))


def test_as_expected(compile_health):
    with compile_health.expect(graphs=1, graph_breaks=0, recompiles=0, frames_skipped=0):
        run(clean)
    assert compile_health.report.verdict == "healthy"


def test_a_break(compile_health):
    with compile_health.expect(graphs=1, graph_breaks=0):
        run(broken)


@pytest.mark.compile_health(max_graph_breaks=1)
def test_marked_within():
    run(broken)


@pytest.mark.compile_health(max_graph_breaks=0)
def test_marked_beyond():
    run(broken)


@pytest.mark.compile_health(max_graph_breaks=0)
def test_fails_by_itself():
    assert run(clean) is None, "its own message"


def test_nothing_compiled(compile_health):
    with compile_health.expect(graph_breaks=0):
        pass


def test_recompiles(compile_health):
    with compile_health.expect(max_recompiles=0):
        function = torch.compile(lambda x, n: x * n, backend="eager", dynamic=False)
        for number in (2, 3):
            function(torch.randn(3), number)


def test_block_in_a_block(compile_health):
    with compile_health.expect(graphs=1):
        with pytest.raises(RuntimeError, match="already watched"):
            with compile_health.expect(graphs=1):
                pass
        run(clean)


def test_attention(compile_health):
    q, k, v = (torch.randn(1, 2, 64, 16) for _ in range(3))
    with compile_health.expect(attention="fused"):
        flex_attention(q, k, v)
"""


@pytest.mark.compile
def test_the_plugin_at_work(tmp_path):
    (tmp_path / "test_model.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "compile_doctor.pytest_plugin", "--strict-markers", "-q", "-rA"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "test_model.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    outcomes = dict(reversed(pair) for pair in re.findall(r"^(PASSED|FAILED) test_model\.py::(\w+)", done.stdout, re.M))
    assert outcomes == {
        "test_as_expected": "PASSED",
        "test_a_break": "FAILED",
        "test_marked_within": "PASSED",
        "test_marked_beyond": "FAILED",
        "test_fails_by_itself": "FAILED",
        "test_nothing_compiled": "FAILED",
        "test_recompiles": "FAILED",
        "test_block_in_a_block": "PASSED",
        "test_attention": "FAILED",
    }, done.stdout[-3000:] + done.stderr[-2000:]
    for said in (
        "2 graphs, expected 1",
        'print("hello")',
        "CD101 graph-break  test_model.py:13 in broken",
        "1 graph break, expected at most 0",
        "its own message",
        "nothing was compiled in this block",
        "1 recompile, expected at most 0",
        "attention is dense at test_model.py",
    ):
        assert said in done.stdout, said
    assert "torch.__trace" not in done.stdout, "pytest shows the trace"
    assert "HEALTHY" not in done.stdout, "a verdict stands above an expectation that is not met"


@pytest.mark.compile
def test_under_xdist_each_worker_watches_its_own(tmp_path):
    (tmp_path / "test_model.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "compile_doctor.pytest_plugin",
        "-p",
        "xdist",
        "-n",
        "2",
        "-q",
        "-rA",
    ]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "test_model.py", "-k", "as_expected or a_break or marked"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    outcomes = dict(reversed(pair) for pair in re.findall(r"^(PASSED|FAILED) test_model\.py::(\w+)", done.stdout, re.M))
    assert outcomes == {
        "test_as_expected": "PASSED",
        "test_a_break": "FAILED",
        "test_marked_within": "PASSED",
        "test_marked_beyond": "FAILED",
    }, done.stdout[-3000:] + done.stderr[-2000:]
    assert "2 graphs, expected 1" in done.stdout


def test_it_imports_no_torch():
    code = "import sys, compile_doctor.pytest_plugin; print('torch' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


@pytest.mark.parametrize(
    "expected",
    [
        {}, {"graph": 1}, {"attention": "dense"}, {"max_attention": 1}, {"max_graph_breaks": float("inf")},
        {"max_graph_breaks": True}, {"graphs": None}, {"graphs": "1"}, {"graphs": -1}, {"graphs": 0.5},
    ],
)  # fmt: skip
def test_what_could_not_fail_or_means_nothing_is_refused_before_the_block_runs(expected):
    with pytest.raises((TypeError, ValueError)), CompileHealth().expect(**expected):
        raise AssertionError
