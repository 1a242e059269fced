"""`compile-doctor env`: shapes, SDPA's backends, known defects."""

from __future__ import annotations

import json

import pytest

from compile_doctor.recipes.known_defects import as_lines as defect_lines
from compile_doctor.recipes.known_defects import known_defects
from compile_doctor.run.sdpa_shapes import as_lines, parse_shape, short


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2,8,128,64", (2, 8, 128, 64, 8, 128, 64)),
        ("2, 8, 128, 64", (2, 8, 128, 64, 8, 128, 64)),
        ("2,8,128,64/2", (2, 8, 128, 64, 2, 128, 64)),
        ("2,8,1,64/2,4096", (2, 8, 1, 64, 2, 4096, 64)),
        ("2,8,1,64/8,4096,32", (2, 8, 1, 64, 8, 4096, 32)),
        ("2,8,0,64", (2, 8, 0, 64, 8, 0, 64)),
    ],
)
def test_a_shape(text, expected):
    names = ("batch", "heads", "tokens", "dim", "kv_heads", "kv_tokens", "value_dim")
    assert parse_shape(text) == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize(
    "text", ["", "2,8,128", "2,8,128,64,", "2,8,128,64/", "a,b,c,d", "2,-8,128,64", "0,8,128,64", "2,8,128,64/3"]
)
def test_what_is_no_shape(text):
    with pytest.raises(ValueError, match="heads"):
        parse_shape(text)


def entry(shape, choice="math", reasons=(), **values):
    backends = {name: {"available": False, "reasons": ["it needs CUDA"]} for name in ("efficient", "cudnn")}
    flash = {"available": not reasons, "reasons": list(reasons)}
    found = {"shape": parse_shape(shape), "dtype": "bfloat16", "device": "cpu", "options": {}, "grad": False}
    found |= {"choice": choice, "backends": {"flash": flash, **backends, "math": {"available": True, "reasons": []}}}
    return {**found, **values}


def test_the_reasons_are_torchs_own():
    head, *rows = as_lines([entry("2,8,1,64/2,4096", reasons=["no dropout", "no such heads"])])[1:]
    assert head == "SDPA for q (2, 8, 1, 64) · k (2, 2, 4096, 64) · bfloat16 · cpu"
    assert [" ".join(row.split()) for row in rows] == [
        "flash no: no dropout",
        "no such heads",
        "efficient no: it needs CUDA",
        "cudnn no: it needs CUDA",
        "math picked",
    ]


def test_a_backend_that_is_there_but_not_taken():
    assert "  math       possible" in as_lines([entry("1,1,8,8", choice="flash")])


@pytest.mark.parametrize(("shape", "warned"), [("1,8,1,64/8,9", True), ("1,8,9,64", False), ("1,8,9,64/8,4", False)])
def test_is_causal_over_a_cache_is_no_cache(shape, warned):
    said = "\n".join(as_lines([entry(shape, options={"is_causal": True})]))
    assert ("aligned top left" in said) == warned
    assert ("no query attends to keys 1 to 8" in said) == warned


def test_what_torch_cannot_be_asked_is_said():
    lines = as_lines([entry("1,8,9,64", error="no CUDA here")])
    assert lines[-1] == "  torch gave no answer: no CUDA here"
    assert "no CUDA here" in short(entry("1,8,9,64", error="no CUDA here"))


def test_wrong_results_without_an_error_come_first():
    found = [one["silent_wrong_result"] for one in known_defects(["cpu"])]
    assert found == sorted(found, reverse=True)
    assert any(found)


def test_defects_of_other_devices_are_not_listed():
    cpu, cuda = ({one["id"] for one in known_defects([device])} for device in ("cpu", "cuda"))
    assert "cpu-flex-epilogue" in cpu - cuda


def test_no_defects_are_no_empty_list():
    assert "none of the recipes" in defect_lines([])[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shape", "1,8,64"], "is not B,H,S,D"),
        (["--shape", "1,8,64,32/3"], "not a multiple of 3 key heads"),
        (["--causal"], "--causal needs a shape"),
        (["--dtype", "float16"], "--dtype needs a shape"),
        (["--shape", "1,8,64,32", "--causal", "--mask"], "exclude each other"),
        (["--shape", "1,8,64,32", "--dropout", "1"], "dropout"),
        (["--shape", "1,8,64,32", "--dtype", "int8"], "int8"),
    ],
)
def test_usage_errors(run_cli, arguments, said):
    done = run_cli("env", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.compile
def test_torch_is_asked_for_each_shape_and_dtype(run_cli):
    pytest.importorskip("torch")
    shapes = ["--shape", "1,4,16,8", "--shape", "1,4,2,8/2,16", "--dtype", "float32", "--dtype", "bfloat16"]
    done = run_cli("env", *shapes, "--dropout", "0.5", "--device", "cpu", "--format", "json", timeout=300)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["schema"] == "compile-doctor/env/1"
    assert [(one["shape"]["kv_tokens"], one["dtype"]) for one in found["sdpa"]] == [
        (16, "float32"),
        (16, "bfloat16"),
        (16, "float32"),
        (16, "bfloat16"),
    ]
    for one in found["sdpa"]:
        assert one["choice"] == "math"
        assert one["options"].get("enable_gqa", False) == (one["shape"]["kv_heads"] == 2)
        assert "dropout" in one["backends"]["flash"]["reasons"][0]
        assert "CUDA" in one["backends"]["efficient"]["reasons"][0]
        assert one["backends"]["math"] == {"available": True, "reasons": []}
    assert {"id", "title", "default", "silent_wrong_result", "action"} == set(found["known_defects"][0])


@pytest.mark.compile
def test_a_device_that_is_not_there_is_inconclusive(run_cli):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = run_cli("env", "--shape", "1,4,16,8", "--device", "cuda", timeout=300)
    assert done.returncode == 3
    assert "torch gave no answer" in done.stdout
