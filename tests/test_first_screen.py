"""The short report of every example: on one screen, nothing said twice, and its counts agree."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MODEL, a_break, compilation, evidence
from rich.cells import cell_len

from compile_doctor.capture import load_capture
from compile_doctor.examples import example_names, example_variants
from compile_doctor.model.findings import Cost, Finding, Location
from compile_doctor.render import renderer
from compile_doctor.render.text_report import FIRST_SCREEN, MORE
from compile_doctor.render.text_top import SHOWN
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

RECORDED = Path(__file__).parent / "evidence" / "examples"
NAMES = sorted(path.stem for path in RECORDED.glob("*.zip"))


def screen(report: Report, verbosity: int = 0) -> list[str]:
    return renderer("text")(report, verbosity).splitlines()


def rows(lines: list[str], columns: int) -> int:
    """How many a terminal shows."""
    return sum(max(1, -(-cell_len(line) // columns)) for line in lines)


def finding(number: int, **values) -> Finding:
    at = Location(MODEL, number, "Model.forward")
    given = {"severity": "error", "title": f"Graph break: number {number}", "message": f"Cause {number}.", **values}
    return Finding("CD101", "graph-break", location=at, **given)


def with_findings(*findings: Finding) -> Report:
    made = make_report(evidence(breaks=(a_break(),), compilations=(compilation(),)))
    return Report(**{**vars(made), "findings": findings})


def test_every_example_is_recorded():
    wanted = {
        f"{name}{'--' if variant else ''}{variant}"
        for name in example_names()
        for variant in ("", *example_variants(name))
    }
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.parametrize("name", NAMES)
def test_the_first_screen_of_every_example(name, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    report = make_report(load_capture(RECORDED / f"{name}.zip"))
    lines = screen(report)
    assert rows(lines, columns) <= (FIRST_SCREEN if columns >= 100 else FIRST_SCREEN + MORE)
    assert lines[2].startswith(report.verdict.upper())
    assert not any("unverified" in line for line in lines)
    if len(report.findings) > 1:
        listed = [line for line in lines if re.match(r"\d+ +(error |warning |info )? *CD\d{3}  ", line)]
        assert len(listed) == min(SHOWN, len(report.findings))
    fix = report.findings[0].fix.splitlines() if report.findings else []
    shown = " ".join(" ".join(lines).split())
    if columns >= 80:
        assert all(" ".join(line.split()) in shown for line in fix), "the fix of the first finding can be typed"


@pytest.mark.parametrize("name", ["2.13.0/cd002-fires", "2.13.0/import-missing-checkpoint", "ranks/raises-on-rank-1"])
def test_what_a_failing_target_printed_is_cut_to_one_screen(name):
    lines = screen(make_report(load_capture(RECORDED.parent / f"{name}.zip")))
    assert rows(lines, 100) <= FIRST_SCREEN


def test_the_verdict_counts_the_breaks_that_the_figures_count():
    two = make_report(load_capture(RECORDED / "four-breaks.zip"))
    first, other, *_ = two.findings
    findings = (first, replace(other, location=first.location))
    summary = {**two.summary, "graph_breaks": 2}
    lines = screen(Report(**{**vars(two), "findings": findings, "summary": summary}))
    assert "2 graph breaks in 1 line split the model into" in lines[2]
    assert any("· 2 graph breaks ·" in line for line in lines)
    lines = screen(make_report(load_capture(RECORDED / "four-breaks.zip")))
    assert lines[2] == "UNHEALTHY   4 lines break the model into 7 graphs."
    assert any("· 4 graph breaks ·" in line for line in lines)


def test_one_finding_has_no_list():
    lines = screen(with_findings(finding(2)))
    assert sum("CD101" in line for line in lines) == 2, "its head, and what explains its code"


def test_the_first_finding_is_in_full_and_the_others_are_lines():
    lines = screen(with_findings(*(finding(number, cost=Cost(number, 0.5)) for number in range(1, 8))))
    assert "1  CD101  model.py:1  Graph break: number 1     +1 graph, 0.5 s" in lines
    text = "\n".join(lines)
    assert "Cause 1." in text
    assert not any(f"Cause {number}." in text for number in range(2, 8))
    assert "and 2 more: 2× CD101 graph-break" in text
    assert text.count("+1 graph, 0.5 s") == 1
    assert "Cost " not in text, "the list has it"


def test_severities_are_words_if_they_differ():
    lines = screen(with_findings(finding(1), finding(2, severity="warning"), finding(3, severity="info")))
    assert [line.split()[1] for line in lines if re.match(r"\d  +\w+ +CD101  ", line)] == ["error", "warning", "info"]
    lines = screen(with_findings(finding(1), finding(2)))
    assert [line.split()[1] for line in lines if re.match(r"\d  CD101  ", line)] == ["CD101", "CD101"]


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_a_line_of_the_list_keeps_to_the_width_and_shows_file_and_line(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = [finding(number, title="Graph break: " + "word " * 30, cost=Cost(2, 1.0), count=3) for number in (111, 222)]
    moved = [
        Finding(**{**vars(one), "location": Location("/a" * 40 + "/model.py", one.location.line, "f")}) for one in long
    ]
    listed = [line for line in screen(with_findings(*moved)) if re.match(r"\d  CD101  ", line)]
    assert len(listed) == 2
    assert all(cell_len(line) <= columns for line in listed)
    assert ["model.py:111" in listed[0], "model.py:222" in listed[1]] == [True, True]
    assert all(("+2 graphs, 1.0 s" in line) == (columns > 70) for line in listed)


def test_a_long_cause_is_cut_and_says_where_the_rest_is():
    report = with_findings(finding(1, message="word " * 900, fix="x = 1\ny = 2"), finding(2))
    lines = screen(report)
    assert rows(lines, 100) <= FIRST_SCREEN
    assert "… -v shows the rest" in "\n".join(lines)
    assert "   Fix    x = 1" in lines
    assert "          y = 2" in lines
    assert "… -v" not in "\n".join(screen(report, 1))


def test_evidence_is_shown_while_there_is_room():
    report = with_findings(finding(1, evidence=("torch: seen this", "and that")))
    assert "   Seen   torch: seen this" in screen(report)
    assert "   Seen   and that" in screen(report, 1)
    crowded = with_findings(finding(1, message="word " * 900, evidence=("torch: seen this",)))
    assert "   Seen   torch: seen this" not in screen(crowded)


@pytest.mark.parametrize("name", ["four-breaks", "sliding-window--disabled", "gpt"])
def test_colour_changes_no_letter(name):
    report = make_report(load_capture(RECORDED / f"{name}.zip"))
    coloured = renderer("text")(report, 0, True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == renderer("text")(report)


# ---------------------------------------------------------------- explain N


def test_a_finding_of_the_last_report(run_cli, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    capture = str(RECORDED / "four-breaks.zip")
    nothing = run_cli("explain", "1", env=env)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "No report is kept." in nothing.stderr
    shown = run_cli("report", capture, env=env).stdout
    assert "Explain: compile-doctor explain 2 or CD101     Show all: -v" in shown
    second = run_cli("explain", "2", env=env).stdout
    assert second.startswith(f"Finding 2 of the last report: compile-doctor report {capture}   (2")
    assert "2  CD102 data-dependent-branch  compile_doctor/examples/four_breaks.py:36 in Head.forward" in second
    assert "Seen   " in second
    beyond = run_cli("explain", "9", env=env)
    assert beyond.returncode == 2
    assert "There is no finding 9 in the last report" in beyond.stderr
    assert "It has 4 findings." in beyond.stderr
    run_cli("report", str(RECORDED / "gpt.zip"), env=env)
    assert "It has no findings." in run_cli("explain", "1", env=env).stderr


def test_only_the_user_can_read_what_is_kept(run_cli, tmp_path):
    run_cli("report", str(RECORDED / "four-breaks.zip"), env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    (kept,) = (tmp_path / "cache" / "compile-doctor").iterdir()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "[]", '{"command": 1}', '{"findings": ["\\u001b[2J"]}'])
def test_a_kept_report_that_cannot_be_read(run_cli, tmp_path, content):
    folder = tmp_path / "cache" / "compile-doctor"
    folder.mkdir(parents=True)
    (folder / "last-report.json").write_text(content)
    done = run_cli("explain", "1", env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert (done.returncode, done.stdout) == (2, "")
    assert "No report is kept." in done.stderr


def test_a_report_without_a_cache_folder_offers_no_number(run_cli, tmp_path):
    (tmp_path / "cache").write_text("a file")
    done = run_cli("report", str(RECORDED / "four-breaks.zip"), env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 1
    assert "Explain: compile-doctor explain CD101" in done.stdout
    assert "explain 2" not in done.stdout
