"""`parity` on the command line: an attention function of the user's, workers that die or hang, formats, bad input. No torch.compile."""

from __future__ import annotations

import json

import pytest

FUNCTION = '''
import os, time
import torch

print("a target prints")

def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    """Right, but for what the tests ask for."""
    if score_mod is not None:
        raise NotImplementedError("no score_mod")
    if scale is not None:
        os.abort()
    if mask_mod is None and q.shape[3] == 72:
        time.sleep(600)
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    s = q @ k.mT * q.shape[3] ** -0.5
    b, h = torch.arange(q.shape[0])[:, None, None, None], torch.arange(q.shape[1])[None, :, None, None]
    i, j = torch.arange(q.shape[2])[:, None], torch.arange(k.shape[2])
    if mask_mod is not None:
        s = s.masked_fill(~mask_mod(b, h, i, j), float("-inf"))
    return torch.nan_to_num(s.softmax(-1)) @ v

def swapped(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attention(q, k, v, mask_mod=mask_mod and (lambda b, h, i, j: mask_mod(b, h, j, i)))

def model(x):
    return x
'''
PATTERNS = ("causal", "custom-scale", "soft-cap", "bidirectional*", "sliding-window")


@pytest.fixture
def target(tmp_path):
    (tmp_path / "mine.py").write_text(FUNCTION, encoding="utf-8")
    return "mine.py:attention"


def narrowed(*patterns):
    return [part for pattern in patterns for part in ("--only", pattern)]


def test_each_cell_has_its_own_end(run_cli, target, tmp_path):
    """Two die, one of them by time-out, one is refused; each costs its own cell and no other, and leaves nothing behind."""
    only = narrowed(*PATTERNS, "mha", "forward")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = ("--timeout", 20, "--format", "json", "-j", 2)
    done = run_cli("parity", target, *only, *options, timeout=300, env={"TMPDIR": str(temporary)})
    assert list(temporary.glob("compile-doctor-*")) == []
    found = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert found["schema"] == "compile-doctor/parity/1"
    assert found["findings"] == []
    assert found["environment"]["torch"]
    cells = {cell["case"]: cell for cell in found["cells"]}
    assert list(cells) == ["causal", "sliding-window", "bidirectional", "bidirectional-odd", "soft-cap", "custom-scale"]
    assert {name: cell["status"] for name, cell in cells.items()} == {
        "causal": "PASS",
        "sliding-window": "PASS",
        "bidirectional": "PASS",
        "bidirectional-odd": "FAIL",
        "soft-cap": "UNSUPPORTED",
        "custom-scale": "FAIL",
    }
    assert set(cells["causal"]) == {
        *("case", "heads", "dtype", "direction", "implementation"),
        *("status", "max_error", "tolerance", "reason"),
    }
    assert 0 < cells["causal"]["max_error"] < cells["causal"]["tolerance"] < 1e-5
    assert cells["soft-cap"]["reason"] == "no score_mod"
    assert "SIGABRT" in cells["custom-scale"]["reason"]
    assert "no answer within 20 s" in cells["bidirectional-odd"]["reason"]
    assert "a target prints" in done.stderr


def test_the_text_says_what_is_wrong_and_where(run_cli, target, tmp_path):
    only = narrowed("causal", "bidirectional", "mha", "gqa", "forward")
    done = run_cli("parity", "mine.py:swapped", *only, "-j", 1, "-o", "markdown:parity.md", env={"COLUMNS": "100"})
    assert done.returncode == 1
    text = done.stdout
    assert "FAIL   2 of 4 comparisons differ from the reference." in text
    assert "wrong keys: query 0 does not attend to key 0" in text or "wrong keys: query 0 attends to key 1" in text
    assert "causal        mha gqa     FAIL" in text
    assert "4 cells: 2 FAIL, 2 PASS" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "| causal | gqa | **FAIL**" in (tmp_path / "parity.md").read_text(encoding="utf-8")


def test_what_cannot_be_meant_is_a_usage_error(run_cli, target):
    for arguments, said in (
        ((), "Give either a TARGET or --suite."),
        (("--suite", target), "Give either a TARGET or --suite."),
        (("--suite", "--dtype", "float8"), "float8"),
        (("--suite", "-o", "sarif:x.sarif"), "one of text, json, markdown"),
        (("missing.py:attention",), "missing.py does not exist"),
    ):
        done = run_cli("parity", *arguments)
        assert done.returncode == 2, arguments
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_what_only_torch_can_tell_is_a_usage_error_too(run_cli, target):
    for arguments, said in (
        (("--suite", "--only", "causl"), "--only 'causl' fits nothing. There are: causal,"),
        (("--suite", "--device", "quantum"), "--device quantum:"),
    ):
        done = run_cli("parity", *arguments)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_nothing_that_ran_is_no_pass(run_cli, target):
    done = run_cli("parity", target, *narrowed("soft-cap", "mha", "forward"), "-j", 1)
    assert done.returncode == 3
    assert "INCONCLUSIVE   Nothing could be compared." in done.stdout
