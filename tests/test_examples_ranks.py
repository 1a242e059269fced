"""The examples with several ranks, each under `run` and torchrun with two gloo processes."""

from __future__ import annotations

import json
import sys

import pytest
from conftest import ROOT, run_doctor

pytestmark = pytest.mark.compile


def observed(example, *words, ranks=2, timeout=600):
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    done = run_doctor(
        ROOT,
        "run",
        "--format",
        "json",
        "--",
        *command,
        "-m",
        f"compile_doctor.examples.{example}",
        *words,
        timeout=timeout,
    )
    return json.loads(done.stdout), done


@pytest.mark.parametrize(
    ("variant", "verdict", "codes"),
    [
        ("good", "healthy", set()),
        ("lengths", "healthy", {"CD201", "CD803"}),
        ("branch", "unhealthy", {"CD101", "CD801"}),
        ("collective", "unhealthy", {"CD801", "CD802"}),
        ("dies", "inconclusive", {"CD806"}),
    ],
)
def test_ranks(variant, verdict, codes):
    report, _ = observed("ranks", variant)
    found = {one["code"]: one["ranks"] for one in report["findings"]}
    assert (report["verdict"], found.keys() & codes) == (verdict, codes)
    assert all(found[code] == "1" for code in codes)
    assert report["ranks"]["seen"] == "0, 1"


@pytest.mark.parametrize("words", [(), ("quick",), ("quick", "whole")], ids=lambda words: "-".join(words) or "sdpa")
def test_fsdp2_computes_what_one_process_does(words):
    report, done = observed("fsdp2", *words)
    assert report["verdict"] == "healthy", done.stderr
    assert done.stderr.count("as one process") == 2
    assert not report["ranks"]["diverge"]


def test_fsdp2_with_flex_attention():
    report, done = observed("fsdp2", "flex")
    assert report["verdict"] == "healthy", done.stderr
    assert done.stderr.count("as one process") == 2
    assert {one["api"] for one in report["attention"]} == {"flex_attention"}


def test_fsdp2_with_tensor_parallelism():
    report, done = observed("fsdp2", "quick", "tp", ranks=4)
    assert report["verdict"] == "healthy", done.stderr
    assert done.stderr.count("as one process") == 4
    assert not report["ranks"]["diverge"]
