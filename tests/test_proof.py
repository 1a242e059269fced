"""The invariant behind HEALTHY: whatever else was seen, no report is as long as a piece of evidence is missing."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from helpers import DONE, about, compilation, evidence
from test_attention import FAR, in_graph, node, watched

from compile_doctor.capture import load_capture
from compile_doctor.checks import all_checks
from compile_doctor.model.attention import AttentionEvidence, Window
from compile_doctor.model.comparisons import Compared, Comparison
from compile_doctor.model.compilations import Counts, LogRecord
from compile_doctor.model.evidence import Child, Facts, Patch
from compile_doctor.report.make import make_report
from compile_doctor.report.proof import lacking
from compile_doctor.report.verdict import exit_code

RIGHT = Comparison("compiled-vs-eager", "forward", "inductor", "float32", rows=(Compared("output", "float32", 0.0),))
WRONG = replace(RIGHT, rows=(Compared("output", "float32", 1.0, scale=1.0),))
RAISED = Comparison("chunk-4", "forward", "eager", "float32", state="FAIL", reason="RuntimeError: no")
GRAPHS = Counts("7", {"stats": {"unique_graphs": 2}})
NUMERICS = about(options={"numerics": True})
ASKED = about(options={"patches": "auto"})

LACKING = {
    "a capture without a seal": {"damage": ("it has no seal.json",)},
    "a record that could not be read": {"lost": ("process-7.jsonl, line 3: Expected `int`",)},
    "a process without its last record": {"unended": ("7",)},
    "a comparison that differs": {"comparisons": (WRONG,)},
    "a comparison that raised": {"comparisons": (RIGHT, RAISED)},
    "no graph": {"compilations": ()},
    "a frame without a graph": {"compilations": (compilation(graphs=0),)},
    "no child": {"children": ()},
    "a graph that the trace lacks": {"counts": (GRAPHS,)},
    "a recompilation that the trace lacks": {"counts": (GRAPHS,), "logs": (LogRecord("7", "recompile", "x"),)},
    "numerics that were asked for and not done": NUMERICS,
    "numerics that were begun": {**NUMERICS, "phases": {**DONE, "numerics": "begun"}},
    "recipes of which nothing is known": ASKED,
    "a probe that failed": {"facts": Facts(probe_error="ValueError: no")},
    "a child that was interrupted": {"children": (Child("diagnose", None, None, "interrupted"),)},
    "a child that timed out": {"children": (Child("diagnose", None, None, "timeout"),)},
    "a child that was killed": {"children": (Child("diagnose", -9, "SIGKILL", "signal"),)},
    "a child that ended with an error": {"children": (Child("diagnose", 70),)},
    "a command that failed": {**about(command=("x",)), "children": (Child("command", 1),), "phases": {}},
}
"""Each of them alone, in a run that is clean but for it."""


def test_a_clean_run_is_healthy():
    report = make_report(evidence())
    assert (report.verdict, report.missing, exit_code(report, "error")) == ("healthy", (), 0)
    numerics = {**NUMERICS, "comparisons": (RIGHT,), "phases": {**DONE, "numerics": "done"}}
    assert make_report(evidence(**numerics)).verdict == "healthy"
    known = replace(ASKED["facts"], patches_seen=True)
    assert make_report(evidence(**{**ASKED, "facts": known})).verdict == "healthy"
    assert make_report(evidence(phases={**DONE, "eager": "refused"})).verdict == "healthy"
    command = {**about(command=("python", "train.py")), "children": (Child("command", 0),), "phases": {}}
    assert make_report(evidence(**command)).verdict == "healthy"


@pytest.mark.parametrize("name", LACKING)
def test_nothing_that_is_missing_is_healthy(name):
    report = make_report(evidence(**LACKING[name]))
    assert report.verdict != "healthy" and exit_code(report, "error") in (1, 3), report


@pytest.mark.parametrize("name", DONE)
@pytest.mark.parametrize("state", ["begun", "failed", None])
def test_no_phase_may_be_open(name, state):
    phases = {**DONE, name: state} if state else {key: value for key, value in DONE.items() if key != name}
    report = make_report(evidence(phases=phases))
    assert report.verdict == "inconclusive" and report.reason and exit_code(report, "error") == 3


def test_an_error_that_was_seen_does_not_excuse_a_process_that_left():
    from helpers import a_break

    report = make_report(evidence(breaks=(a_break(),), phases={**DONE, "eager": "begun"}))
    assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3)
    assert report.reason == (
        "The process exited during the eager control run, with exit status 0, as by `os._exit`: nothing after that was observed."
    )
    assert [finding.code for finding in report.findings] == ["CD101"]


@pytest.mark.parametrize("peak", [0, -1])
def test_a_window_of_no_bytes_is_no_measurement(peak):
    fused = watched(in_graph(node()), peak=FAR)
    assert make_report(fused).attention[0].verdict == "fused"
    empty = replace(fused.attention, windows=(Window("7:graph:1", peak, 0),))
    (entry,) = make_report(replace(fused, attention=empty)).attention
    assert (entry.verdict, entry.peak_bytes, entry.bounded) == ("unverified", None, None)
    assert "the profiler recorded 0 bytes for it" in entry.reason
    assert lacking(fused, [peak]) == ("the measured memory of attention is 0 bytes, which cannot be right",)


def test_two_missing_pieces_are_no_better_than_one():
    for one, other in product(LACKING.values(), repeat=2):
        assert make_report(evidence(**{**one, **other})).verdict != "healthy"


def test_no_mixture_of_states_is_healthy_unless_all_of_it_is_there():
    """5,000 runs in which anything may be missing: HEALTHY comes out exactly where `lacking` has nothing to say."""
    chance = random.Random(11)
    healthy = 0
    for _ in range(5000):
        values = {}
        for name in chance.sample(sorted(LACKING), chance.choice((0, 0, 0, 1, 2, 3))):
            values.update(LACKING[name])
        if chance.random() < 0.2:
            values["attention"] = AttentionEvidence(watched=True)
        if chance.random() < 0.2:
            values["patches"] = (Patch("x", "active"),)
        found = evidence(**values)
        report = make_report(found)
        healthy += report.verdict == "healthy"
        if report.verdict == "healthy":
            assert not lacking(found, []) and not report.missing and not report.lost
            assert exit_code(report, "error") == 0
    assert 1000 < healthy < 4000


@pytest.mark.parametrize("check", list(all_checks()), ids=lambda one: one.code)
def test_a_check_that_fails_on_the_evidence_is_no_pass(check, monkeypatch):
    def broken(seen):
        raise KeyError("x")

    checks = tuple(replace(one, detect=broken) if one.code == check.code else one for one in all_checks())
    monkeypatch.setattr("compile_doctor.report.make.all_checks", lambda: checks)
    ranks = Path(__file__).parent / "evidence" / "ranks" / "same-function.zip"
    report = make_report(load_capture(ranks) if check.compares_ranks else evidence())
    assert report.verdict == "inconclusive" and check.code in report.reason
