"""A part of the report without evidence is "not recorded", which is not the same as "nothing happened"."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import run_doctor
from helpers import MODEL, SOURCE, about, evidence, interned, nested, read
from test_formats import gate

from compile_doctor.gate.outcome import Outcome
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.guards import GuardCost
from compile_doctor.model.kept_text import kept
from compile_doctor.model.timeline import Call
from compile_doctor.render import html_format, json_format, lacking, perfetto_format, text_format
from compile_doctor.report.make import make_report
from compile_doctor.report.recorded import PARTS

OLD = Path(__file__).parent / "evidence" / "2.11.0+cu130-h100" / "sliding-window.zip"
"""Recorded before torch's timed events were kept, and before guards were timed."""


def recorded(**values: Any) -> Evidence:
    """With everything."""
    compiled = read(interned(MODEL, 1) + nested()).compilations
    text = kept(b"graph", 5)
    whole = tuple(replace(one, graphs=1, guarded=True, graph_text=text) for one in compiled)
    guards = (("main", GuardCost("0/0", 3.0, 2, 0)),)
    calls = (Call("compiled", 0, 0, 100),)
    return evidence(**{"compilations": whole, "guards": guards, "calls": calls, "sources": {MODEL: SOURCE}, **values})


def without(part: str) -> Evidence:
    """The same, recorded without one part."""
    whole = recorded()
    compiled = whole.compilations
    return {
        "timeline": replace(whole, compilations=tuple(replace(one, timing=None) for one in compiled)),
        "calls": replace(whole, calls=()),
        "guards": replace(whole, guards=()),
        "graphs": replace(whole, compilations=tuple(replace(one, graph_text=None) for one in compiled)),
        "attention": replace(whole, children=()),
        "sources": replace(whole, sources={}),
    }[part]


def test_nothing_is_missing_if_all_was_recorded():
    report = make_report(recorded())
    assert not report.not_recorded
    assert "Not recorded" not in text_format.render(report, 1) + html_format.render(report)


@pytest.mark.parametrize("part", PARTS)
def test_each_format_names_the_part_and_what_to_do(part):
    report = make_report(without(part))
    assert list(report.not_recorded) == [part]
    why = report.not_recorded[part]
    assert "record again with this version" in why or "record with `compile-doctor run`" in why
    assert f"{part}: {why}" in text_format.render(report, 1)
    assert ">Not recorded" in html_format.render(report)
    assert json_format.as_dict(report)["not_recorded"] == {part: why}


def test_what_could_not_be_there_is_not_missing():
    nothing = evidence(compilations=(), phases={"import": "failed"})
    assert not make_report(nothing).not_recorded
    command = replace(recorded(), calls=(), children=(Child("command", 0),))
    assert not make_report(command).not_recorded, "a command calls its models itself"
    broken = recorded(compilations=(replace(recorded().compilations[0], guarded=False, graphs=0, graph_text=None),))
    assert "guards" not in make_report(replace(broken, guards=())).not_recorded, "nothing came out of it"


def test_a_file_for_perfetto_without_a_timeline_has_the_reason_in_it():
    report = make_report(evidence(**about(target="old.py")))
    assert lacking("perfetto", report).startswith("the timeline is not recorded: torch's timed events")
    events = json.loads(perfetto_format.render(report))["traceEvents"]
    assert [one["args"]["name"] for one in events if one["ph"] == "M"] == ["old.py"]
    assert any(one["name"].startswith("not recorded: torch's timed events") for one in events if one["ph"] == "i")


def test_of_several_targets_those_without_a_timeline_are_named_beside_the_others():
    old, new = make_report(evidence(**about(target="old.py"))), make_report(recorded())
    both = gate(Outcome("a", "pass", "", old), Outcome("b", "pass", "", new))
    assert not lacking("perfetto", both) and not lacking("html", both)
    assert lacking("perfetto", gate(Outcome("a", "pass", "", old)))
    events = json.loads(perfetto_format.render_gate(both))
    (noted,) = [one for one in events["traceEvents"] if one["ph"] == "i"]
    timed = {one["pid"] for one in events["traceEvents"] if one["ph"] == "X"}
    assert timed and noted["pid"] not in timed


def test_the_command_ends_with_3_and_writes_the_note(tmp_path):
    file = tmp_path / "t.json"
    got = run_doctor(tmp_path, "report", str(OLD), "-o", f"perfetto:{file}")
    assert got.returncode == 3 and "the timeline is not recorded: torch's timed events" in got.stderr
    assert "HEALTHY" in got.stdout, "the report itself is shown"
    assert json.loads(file.read_text())["traceEvents"]


def test_an_exit_code_of_the_report_is_kept(tmp_path):
    got = run_doctor(tmp_path, "report", str(OLD.with_name("disabled.zip")), "--format", "perfetto")
    assert got.returncode == 1 and "not recorded" in got.stderr
    assert json.loads(got.stdout)["traceEvents"]
