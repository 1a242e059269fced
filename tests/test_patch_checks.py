"""CD901 and CD902, and which recipe a finding names: on evidence built by hand. No torch."""

from __future__ import annotations

import pytest
from helpers import evidence

from compile_doctor.evidence import Patch
from compile_doctor.findings import Finding
from compile_doctor.patching.match import with_recipe
from compile_doctor.report import exit_code, make_report

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


def named(code, message, **environment):
    finding = Finding(code, "a-name", "error", "A title", message)
    return with_recipe(finding, {**ENVIRONMENT, **environment}, {"flex_attention"}, {}).recipe


def test_a_finding_names_the_recipe_with_its_signature():
    assert named("CD307", "your code calls torch._safe_softmax") == "safe-softmax-dynamo"
    assert named("CD101", "call to torch._safe_softmax") == "safe-softmax-dynamo"
    assert named("CD101", "call to print") is None
    assert named("CD307", "torch._safe_softmax", torch="2.7.1") is None
    assert named("CD302", "torch.compiler.disable was applied") == "flex-keep-compiled"
