"""A check owns its facts: report, gate and formats go by what it says of itself. No torch."""

from __future__ import annotations

import datetime
import re
import sys
from dataclasses import fields, replace

import pytest
from conftest import ROOT
from helpers import a_break, about, evidence

from compile_doctor import checks
from compile_doctor.capture import load_capture
from compile_doctor.checks import find_check, own_checks
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate.config import Configuration
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.decide import judge
from compile_doctor.gate.outcome import Gate
from compile_doctor.model.findings import CATEGORIES, CheckFacts
from compile_doctor.render import renderer
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

RELEASED = (ROOT / "tests" / "snapshots" / "checks.txt").read_text(encoding="utf-8")
NEW = """
from compile_doctor.checks.base import Check


def detect(seen):
    yield CHECK.finding("It is here: forward", "Because of this.", cause="here")


def need(evidence):
    yield "it was not looked at twice"


CHECK = Check(
    code="CD999", name="a-new-one", severity="{severity}", summary="It fires.", explanation="It matters.",
    detect=detect, needs=(need,), {facts}
)
"""


@pytest.fixture(name="add")
def adding(tmp_path, monkeypatch):
    """Adds a check as a file, as CONTRIBUTING says, and nothing else."""

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file of the same size and second looks the same

    def forget():
        sys.modules.pop("compile_doctor.checks.cd999_a_new_one", None)
        for function in (checks.all_checks, checks._own, checks._load):
            function.cache_clear()

    def add(severity="error", **facts):
        given = ", ".join(f"{key}={value!r}" for key, value in facts.items())
        (tmp_path / "cd999_a_new_one.py").write_text(NEW.format(severity=severity, facts=given))
        monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
        forget()

    yield add
    monkeypatch.undo()
    forget()


def test_what_was_released_stays():
    lines = [
        f"{one.code} {one.name} {one.severity or 'outcome'} {one.category} {one.exit_code or '-'}\n"
        for one in own_checks()
    ]
    held = [line for line in RELEASED.splitlines(keepends=True) if " reserved " not in line]
    assert lines == held, "a released code keeps its meaning: change tests/snapshots/checks.txt on purpose"


def test_a_new_file_is_a_new_check(add):
    before = make_report(evidence(breaks=(a_break(),)))
    add(category="attention")
    report = make_report(evidence(breaks=(a_break(),)))
    assert [one.code for one in before.findings] == ["CD101"]
    assert [one.code for one in report.findings] == ["CD999", "CD101"], "what is about attention comes first"
    assert ("CD999", "it was not looked at twice") in report.skipped_checks
    assert find_check("a-new-one") is find_check("cd999") is not None
    assert "CD999 a-new-one" in renderer("text")(report)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, 1), ({"exit_code": 3}, 3), ({"exit_code": 2}, 2), ({"exit_code": 2, "category": "target"}, 2)],
)
def test_it_brings_its_exit_code(add, facts, expected):
    add(**facts)
    report = make_report(evidence())
    assert (exit_code(report, "error"), report.verdict) == (expected, "inconclusive" if facts else "unhealthy")


def test_it_brings_its_place_in_the_order(add):
    broken = evidence(breaks=(a_break(),))
    for facts, expected in (
        ({"severity": "warning"}, ["CD101", "CD999"]),
        ({"severity": "warning", "exit_code": 3}, ["CD999", "CD101"]),
        ({"category": "float8", "consequence": True}, ["CD999", "CD101"]),
        ({"category": "breaks", "consequence": True}, ["CD101", "CD999"]),
    ):
        add(**facts)
        assert [one.code for one in make_report(broken).findings] == expected, facts


def test_a_failing_target_hides_it_unless_it_reads_sources_only(add):
    broken = load_capture(ROOT / "tests" / "evidence" / "2.13.0" / "cd002-fires.zip")
    add()
    hidden = make_report(broken)
    assert [one.code for one in hidden.findings] == ["CD002"]
    assert ("CD999", "the target fails without torch.compile too") in hidden.skipped_checks


def test_it_says_what_it_means(add):
    add(effect=("goes away", "go away"))
    assert "Forward goes away." in renderer("text")(make_report(evidence()))


@pytest.mark.parametrize(
    ("facts", "status", "code"),
    [
        ({}, "regression", 1),
        ({"exit_code": 2}, "inconclusive", 3),
        ({"severity": "warning"}, "regression", 1),
        ({"severity": "info"}, "pass", 0),
        ({"severity": "info", "category": "breaks"}, "regression", 1),
        ({"category": "machine"}, "pass", 0),
    ],
)
def test_the_gate_goes_by_its_facts(add, tmp_path, facts, status, code):
    known = baseline.snapshot("vit", make_report(evidence()))
    baseline_files.write(baseline_files.path_of(tmp_path, "vit", known.torch, known.device), known)
    add(**facts)
    configured = Configuration(tmp_path / "pyproject.toml", tmp_path, ())
    outcome = judge(GateTarget("vit", "model.py"), evidence(), configured, datetime.date(2026, 1, 1))
    assert (outcome.status, Gate((outcome,), "2.13.0", "cpu").exit_code) == (status, code)


@pytest.mark.parametrize(("category", "kept"), [("other", True), ("machine", False), ("patches", False)])
def test_what_is_about_the_machine_is_in_no_baseline(add, category, kept):
    add(category=category)
    found = baseline.snapshot("vit", make_report(evidence()))
    assert [entry.code for entry in found.findings] == ["CD999"] * kept
    assert baseline.parse(baseline.text_of(found).encode()) == found


def test_a_skipped_frame_is_one_in_baselines_whatever_made_it_skip():
    report = make_report(load_capture(ROOT / "tests" / "evidence" / "2.13.0" / "cd104-fires.zip"))
    (finding,) = [one for one in report.findings if one.code == "CD104"]
    entry = baseline.identity(finding)
    assert finding.upstream and finding.cause.startswith("skipped:")
    assert (entry.upstream, entry.cause) == (None, "skipped")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"category": "breaking"}, "category is 'breaking'"),
        ({"severity": "bad"}, "severity is 'bad'"),
        ({"exit_code": 1}, "exit_code is 1"),
        ({"code": "cd1"}, "'cd1' is not two to six capital letters"),
    ],
)
def test_facts_that_do_not_exist_are_refused(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(find_check("CD101"), **values)


def test_findings_carry_the_facts_of_their_check():
    for check in own_checks():
        facts = check.finding("t", "m").facts
        assert {one.name: getattr(check, one.name) for one in fields(CheckFacts)} == vars(facts)
    assert {check.category for check in own_checks()} | {"other"} == set(CATEGORIES)


def test_a_command_is_told_what_it_does_not_get():
    skipped = dict(make_report(evidence(**about(command=("python", "x.py")))).skipped_checks)
    assert {"CD002", "CD107"} <= set(skipped)


# Places that name a code all the same, and why
CODES = {
    "gate/config_records.py": "an example of a waiver, to be copied",
    "recipes/errors.py": "recipes/*.yaml name codes: below checks",
}


def test_nothing_outside_of_checks_goes_by_a_code():
    package = ROOT / "compile_doctor"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if path.parent.name not in ("checks", "examples")
        and re.search(r"""["'](CD\d{3}|CD\d)["']""", path.read_text(encoding="utf-8"))
    }
    assert found == set(CODES)
