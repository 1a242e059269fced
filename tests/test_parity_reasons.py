"""Torch's reasons in a few words: the cause at the bottom of the chain, of a compiler its first error; and whose defect it is."""

from __future__ import annotations

import subprocess

import pytest
from torch._inductor.exc import CppCompileError

from compile_doctor.probe.parity import known_defects as defects
from compile_doctor.probe.parity.judge import why


def raised(error, cause):
    try:
        raise error from cause
    except type(error) as found:
        return found


def test_a_compiler_s_first_error_and_no_name_of_a_file():
    command = ["g++", "/tmp/torchinductor_me/3q/c3qif7.main.cpp", "-O3"]
    output = (
        "/tmp/torchinductor_me/3q/c3qif7.main.cpp: In lambda function:\n"
        "/tmp/torchinductor_me/3q/c3qif7.main.cpp:1216:4: error: expected primary-expression before ‘)’ token\n"
    )
    inner = raised(CppCompileError(command, output), subprocess.CalledProcessError(1, command, output.encode()))
    outer = raised(RuntimeError("backend='inductor' raised"), inner)
    assert why(outer, []) == "C++ compiler: expected primary-expression before ‘)’ token"


def test_the_cause_at_the_bottom_of_the_chain():
    inner = raised(RuntimeError("LoweringException"), IndexError("tuple index out of range"))
    assert why(raised(RuntimeError("backend='inductor' raised"), inner), []) == "IndexError: tuple index out of range"


@pytest.mark.parametrize(
    ("torch_version", "device", "compiled", "recipe"),
    [
        ("2.8.0+cpu", "cpu", "flex_attention", "cpu-flex-openmp"),
        ("2.8.0+cpu", "cpu", "", None),  # the same words in another kernel
        ("2.9.0+cpu", "cpu", "flex_attention", None),
        ("2.8.0+cu128", "cuda", "flex_attention", None),
    ],
)
def test_a_compilation_that_fails_by_a_known_defect(monkeypatch, torch_version, device, compiled, recipe):
    monkeypatch.setattr(defects, "_environment", lambda _: {"torch": torch_version, "device": device})
    output = "c3qif7.main.cpp:1216:4: error: expected primary-expression before ‘)’ token\n"
    inner = raised(CppCompileError(["g++"], output), subprocess.CalledProcessError(1, ["g++"], output.encode()))
    assert defects.defect_of_error(raised(RuntimeError("backend='inductor' raised"), inner), compiled, device) == recipe


def test_a_defect_that_no_recipe_mends_by_itself_is_none(monkeypatch):
    monkeypatch.setattr(defects, "_environment", lambda _: {"torch": "2.8.0+cu128", "device": "cuda"})
    assert (
        defects.defect_of_error(RuntimeError("Shape element 2 must be a power of 2"), "flex_attention", "cuda") is None
    )  # a warning


@pytest.mark.parametrize(
    ("cell", "torch_version", "device", "recipe"),
    [
        (("left-padding", "sdpa-cudnn", "backward"), "2.11.0+cu130", "cuda", "cudnn-sdpa-nan"),
        (("left-padding", "sdpa-compiled", "backward"), "2.11.0+cu130", "cuda", "cudnn-sdpa-nan"),
        (("left-padding", "sdpa-cudnn", "forward"), "2.11.0+cu130", "cuda", None),
        (("left-padding", "sdpa-flash", "backward"), "2.11.0+cu130", "cuda", None),
        (("left-padding", "my-attention", "backward"), "2.11.0+cu130", "cuda", None),
        (("padding", "sdpa-cudnn", "backward"), "2.11.0+cu130", "cuda", None),
        (("left-padding", "sdpa-compiled", "backward"), "2.11.0+cpu", "cpu", None),
        (("narrow-heads", "flex-compiled", "forward"), "2.13.0+cpu", "cpu", "cpu-flex-narrow-heads"),
        (("narrow-heads", "sdpa-flash", "forward"), "2.13.0+cpu", "cpu", None),
    ],
)
def test_a_wrong_cell_is_a_known_defect_only_of_the_implementation_that_has_it(
    monkeypatch, cell, torch_version, device, recipe
):
    monkeypatch.setattr(defects, "_environment", lambda _: {"torch": torch_version, "device": device})
    monkeypatch.setattr(defects, "why_not_affected", lambda one: "")
    assert defects.defect_of_case(*cell, device) == recipe
