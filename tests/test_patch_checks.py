"""CD901 and CD902, and which recipe a finding names: on evidence built by hand. No torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MODEL, compilation, evidence, failure
from test_attention import in_graph, node, qkv, watched

from compile_doctor.analysis.attention.calls import AttentionCall
from compile_doctor.analysis.recipe_match import with_recipe
from compile_doctor.capture import load_capture
from compile_doctor.model.attention import AttentionNode, Graph, Tensor
from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Finding
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.stacks import Frame
from compile_doctor.render import renderer
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

ENVIRONMENT = {"torch": "2.13.0+cpu", "device": "cpu"}


@pytest.mark.parametrize(
    ("state", "code", "severity", "exits"),
    [("refused", "CD901", "warning", 0), ("too-late", "CD901", "warning", 0), ("failed", "CD902", "error", 1)],
)
def test_a_recipe_that_did_not_work_is_a_finding(state, code, severity, exits):
    report = make_report(evidence(patches=(Patch("some-recipe", state, "because of models.vit"),)))
    (finding,) = report.findings
    assert (finding.code, finding.severity) == (code, severity)
    assert "some-recipe" in finding.title and "because of models.vit" in finding.message
    assert exit_code(report, "error") == exits


@pytest.mark.parametrize("state", ["active", "applicable", "not-affected", "disabled"])
def test_one_that_works_or_is_not_about_this_torch_is_none(state):
    assert make_report(evidence(patches=(Patch("some-recipe", state),))).findings == ()


def test_one_that_was_asked_for_and_is_not_applied_is_told():
    why = Patch("some-recipe", "not-affected", "torch 2.13.0 is not in ==2.10.*")
    text = renderer("text")(make_report(evidence(patches=(why,))))
    assert "Recipe not applied: some-recipe: torch 2.13.0 is not in ==2.10.*" in text


def named(code, message, head_dim=64, **environment):
    finding = Finding(code, "a-name", "error", "A title", message)
    query = Tensor((1, 2, 128, head_dim), "float32", "cpu", "Tensor")
    called = [AttentionCall(Frame("model.py", 3, "forward"), "flex_attention", inputs=(query, query, query))]
    return with_recipe(finding, {**ENVIRONMENT, **environment}, called, {}).recipe


def test_a_finding_names_the_recipe_with_its_signature():
    assert named("CD307", "your code calls torch._safe_softmax") == "safe-softmax-dynamo"
    assert named("CD101", "call to torch._safe_softmax") == "safe-softmax-dynamo"
    assert named("CD101", "call to print") is None
    assert named("CD307", "torch._safe_softmax", torch="2.7.1") is None


def test_a_recipe_about_narrow_heads_is_named_for_those_only():
    assert named("CD601", "compiled and eager differ", head_dim=16) == "cpu-flex-narrow-heads"
    assert named("CD601", "compiled and eager differ", head_dim=64) == "cpu-flex-view-offset"


@pytest.mark.parametrize(("api", "recipe"), [("flex_attention", "cpu-flex-openmp"), ("sdpa", None)])
def test_a_c_compiler_s_error_is_known_by_what_the_graph_holds(api, recipe):
    """As torch 2.8 with two threads has it: neither the error nor its traceback says what was lowered."""
    output = (
        "C++ compile error\n\nOutput:\n/tmp/c3.main.cpp:1235:4: error: expected primary-expression before ‘)’ token\n"
    )
    query = Tensor((1, 2, 128, 64), "float32", "cpu", "Tensor")
    node = AttentionNode(api, api, (Frame(MODEL, 6, "forward"),), (query, query, query), "float32")
    made = evidence(
        environment={**ENVIRONMENT, "torch": "2.8.0+cpu", "torch_root": "/venv/site-packages/torch/"},
        phases={**evidence().phases, "compiled": "failed"},
        compilations=(compilation(guarded=False, graph=Graph(1, "inductor", (node,), (), ())),),
        failures=(failure("compiled", "torch._inductor.exc.CppCompileError", output),),
    )
    (finding,) = [one for one in make_report(made).findings if one.code == "CD106"]
    assert finding.recipe == recipe


def test_a_death_in_flex_attention_s_c_names_the_cache_that_does_not_know_about_threads():
    died = "It was ended by SIGABRT while compiled code was running; in eager mode the same inputs work."
    assert named("CD107", died, torch="2.11.0") == "inductor-thread-cache"
    assert named("CD107", died, torch="2.13.0") is None
    assert named("CD107", "ended by SIGKILL while compiled code was running", torch="2.11.0") is None
    assert named("CD107", "ended by SIGSEGV while forward was being compiled", torch="2.11.0") is None
    assert named("CD107", died, torch="2.11.0", device="cuda") is None


@pytest.mark.parametrize("version", ["2.9.1", "2.13.0"])
@pytest.mark.parametrize(
    ("code", "recipe"),
    [
        ("CD302", "flex-keep-compiled"),
        ("CD401", "flex-float8-inputs"),
        ("CD402", "flex-float8-inputs"),
        ("CD203", "int-attr-recompile"),
        ("CD307", "safe-softmax-dynamo"),
    ],
)
def test_what_was_recorded_names_its_recipe(version, code, recipe):
    capture = Path(__file__).parent / "evidence" / version / f"{code.lower()}-fires.zip"
    found = [finding.recipe for finding in make_report(load_capture(capture)).findings if finding.code == code]
    assert found and set(found) == {recipe}


@pytest.mark.parametrize(
    ("torch", "backend", "line", "expected"),
    [
        ("2.12.1", "cutedsl", "flex_attention(q, k, v, return_lse=True)", {"known:flex-flash-lse"}),
        ("2.13.0", "cutedsl", "flex_attention(q, k, v, return_lse=True)", set()),
        ("2.12.1", "triton", "flex_attention(q, k, v, return_lse=True)", set()),
        ("2.13.0", "cutedsl", "BlockMask.from_kv_blocks(numbers, indices)", {"known:flex-flash-blocks"}),
        ("2.14.1", "cutedsl", "BlockMask.from_kv_blocks(numbers, indices)", set()),
        ("2.12.1", "cutedsl", "flex_attention(q, k, v)", set()),
    ],
)
def test_defects_of_the_flash_backend_need_its_kernel_and_what_they_are_about(torch, backend, line, expected):
    kernel = Kernel("flex_attention", "cutedsl_fused_flex_attention_0", backend, 1)
    environment = {"torch": f"{torch}+cu130", "device": "cuda", "torch_root": "/venv/site-packages/torch/"}
    ran = watched(in_graph(node(inputs=qkv(device="cuda")), kernels=(kernel,)))
    found = replace(ran, environment=environment, sources={MODEL: f"out = {line}\n"}, max_difference=None)
    known = {one.cause for one in make_report(found).findings if one.code == "CD702"}
    assert {one for one in known if "flash" in one} == expected
