"""Verdicts, exit codes and order, from evidence made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import DONE, MODEL, SOURCE, a_break, about, compilation, evidence, failure, write_capture

from compile_doctor.capture import load_capture
from compile_doctor.checks import find_check
from compile_doctor.model.compilations import Counts, LogRecord
from compile_doctor.model.evidence import Child
from compile_doctor.render import renderer
from compile_doctor.report import make as report_module
from compile_doctor.report.make import make_report
from compile_doctor.report.relative import relative
from compile_doctor.report.verdict import exit_code

GRAPHLESS = compilation(graphs=0, ops=0)
OPEN = compilation(guarded=None, seconds=None, graphs=0)
SIZES = [f"0/{n}: tensor 'x' size mismatch at index 0. expected {n}, actual {n + 1}" for n in range(3)]
RECOMPILED = (compilation(), compilation(frame_compile_id=1, recompile_reasons=(SIZES[0],)))
LOOP_BREAK = a_break(in_loop=True)
GAVE_UP = compilation(guarded=False, graphs=0, fail_type="Unsupported", fail_reason="graph break in loop")
COMPILE_FAILS = {**DONE, "compiled": "failed"}
BACKEND = failure("compiled", "torch._dynamo.exc.BackendCompilerFailed", "backend='x' raised:\nKeyError: 'a'")
ABORTED = (Child("diagnose", -6, "SIGABRT", "signal"), Child("control", 0))
KILLED = (Child("diagnose", -9, "SIGKILL", "signal"), Child("control", -9, "SIGKILL", "signal"))
COMMAND = {
    **about(command=("python", "train.py")),
    "phases": {},
}

# what was seen, the first code, the verdict, the exit code
OUTCOMES = {
    "healthy": ({}, None, "healthy", 0),
    "a break": ({"breaks": (a_break(),)}, "CD101", "unhealthy", 1),
    "a break in a loop": (
        {"breaks": (LOOP_BREAK,), "compilations": (GAVE_UP, compilation(1))},
        "CD103",
        "unhealthy",
        1,
    ),
    "a recompilation": ({"compilations": RECOMPILED}, "CD201", "healthy", 0),
    "no graph": ({"compilations": (GRAPHLESS,)}, "CD105", "inconclusive", 3),
    "no frame": ({"compilations": ()}, "CD105", "inconclusive", 3),
    "import fails": (
        {"failures": (failure("import", "ImportError"),), "phases": {"import": "failed"}, "compilations": ()},
        "CD001",
        "inconclusive",
        2,
    ),
    "build fails": (
        {"failures": (failure("build"),), "phases": {"import": "done", "build": "failed"}, "compilations": ()},
        "CD001",
        "inconclusive",
        2,
    ),
    "fails in both": (
        {"failures": (failure("compiled"), failure("eager")), "phases": {**COMPILE_FAILS, "eager": "failed"}},
        "CD002",
        "inconclusive",
        3,
    ),
    "fails in eager only": (
        {"failures": (failure("eager"),), "phases": {**DONE, "eager": "failed"}},
        "CD002",
        "inconclusive",
        3,
    ),
    "fails compiled only": ({"failures": (BACKEND,), "phases": COMPILE_FAILS}, "CD106", "unhealthy", 1),
    "timed out": (
        {"children": (Child("diagnose", None, None, "timeout"),), "phases": {"compiled": "begun"}},
        "CD003",
        "inconclusive",
        3,
    ),
    "died compiled only": (
        {"children": ABORTED, "phases": {"compiled": "begun", "eager": "done"}, "compilations": (OPEN,)},
        "CD107",
        "unhealthy",
        1,
    ),
    "died in both": (
        {"children": KILLED, "phases": {"compiled": "begun", "eager": "begun"}},
        "CD002",
        "inconclusive",
        3,
    ),
    "died at import": (
        {"children": (Child("diagnose", -11, "SIGSEGV", "signal"),), "phases": {"import": "begun"}, "compilations": ()},
        "CD001",
        "inconclusive",
        2,
    ),
    "interrupted": (
        {"children": (Child("diagnose", None, None, "interrupted"),), "phases": {"compiled": "begun"}},
        None,
        "inconclusive",
        3,
    ),
    "ended early": (
        {"children": (Child("diagnose", 70),), "phases": {"import": "done"}, "compilations": ()},
        None,
        "inconclusive",
        3,
    ),
    "a command": ({**COMMAND, "children": (Child("command", 0),)}, None, "healthy", 0),
    "a command that compiles nothing": (
        {**COMMAND, "children": (Child("command", 0),), "compilations": ()},
        "CD105",
        "inconclusive",
        3,
    ),
    "a command ended by a signal": (
        {**COMMAND, "children": (Child("command", -9, "SIGKILL", "signal"),)},
        None,
        "inconclusive",
        3,
    ),
    "a bare trace without a frame": (
        {**about(target="trace"), "phases": {}, "children": (), "compilations": ()},
        "CD105",
        "inconclusive",
        3,
    ),
}

FLASH = "from flash_attn import flash_attn_func\n\ny = flash_attn_func(q, k, v)\n"


def test_what_the_sources_say_is_kept_where_the_target_cannot_be_imported():
    seen, _, _, code = OUTCOMES["import fails"]
    seen = {**seen, "breaks": (a_break(),), "compilations": (compilation(),), "sources": {MODEL: FLASH}}
    found = make_report(evidence(**seen))
    assert [finding.code for finding in found.findings] == ["CD001", "CD504"]
    assert "CD101" in dict(found.skipped_checks)
    assert exit_code(found, "error") == code


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("my model.py", "`python 'my model.py'`"),
        ("dir/model.py:build", "`python dir/model.py`"),
        ("pkg.model:build", "`python -c 'import pkg.model'`"),
    ],
)
def test_an_import_that_fails_has_a_command_to_type(target, command):
    found = make_report(evidence(**OUTCOMES["import fails"][0], **about(target=target)))
    assert command in found.findings[0].fix


def test_no_command_where_it_is_not_the_import_that_fails():
    assert "`" not in make_report(evidence(**OUTCOMES["build fails"][0])).findings[0].fix


@pytest.mark.parametrize("name", OUTCOMES)
def test_verdict_and_exit_code(name):
    seen, code, verdict, expected = OUTCOMES[name]
    report = make_report(evidence(**seen))
    assert (report.findings[0].code if report.findings else None) == code
    assert (report.verdict, exit_code(report, "error")) == (verdict, expected)
    assert bool(report.reason) == (verdict == "inconclusive")
    assert [item for item in report.skipped_checks if "it failed" in item[1]] == []
    for kind in ("text", "json"):
        assert renderer(kind)(report, 1)


def test_fail_on():
    recompiled, broken = make_report(evidence(compilations=RECOMPILED)), make_report(evidence(breaks=(a_break(),)))
    nothing = make_report(evidence(compilations=()))
    assert [exit_code(recompiled, level) for level in ("error", "warning", "never")] == [0, 1, 0]
    assert [exit_code(broken, level) for level in ("error", "warning", "never")] == [1, 1, 0]
    assert [exit_code(nothing, level) for level in ("error", "warning", "never")] == [3, 3, 3]  # never a pass


def test_a_check_that_raises_is_listed_and_hides_nothing(monkeypatch):
    def detect(seen):
        yield find_check("CD201").finding("first", "found before it fell over")
        raise RuntimeError("of our own")

    checks = (replace(find_check("CD201"), detect=detect), find_check("CD101"))
    monkeypatch.setattr(report_module, "all_checks", lambda: checks)
    report = make_report(evidence(breaks=(a_break(),)))
    assert {finding.code for finding in report.findings} == {"CD101", "CD201"}
    assert report.skipped_checks == (("CD201", "it raised RuntimeError: of our own"),)
    assert "of our own" in renderer("text")(report, 1)


def test_where_a_check_raises_nothing_is_healthy(monkeypatch):
    def detect(seen):
        raise RuntimeError("of our own")

    monkeypatch.setattr(report_module, "all_checks", lambda: (replace(find_check("CD201"), detect=detect),))
    report = make_report(evidence())
    assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3)
    assert report.reason == "A check of compile-doctor raised an error: CD201. Report it with the output of -v."


def test_what_a_command_does_not_get_is_listed():
    report = make_report(evidence(**COMMAND, children=(Child("command", 0),)))
    assert [code for code, _ in report.skipped_checks] == ["CD002", "CD107"]


def test_order_outcomes_then_severity_then_owner_then_cost():
    torchs = "/venv/site-packages/torch/optim/adam.py"
    package = "/venv/site-packages/lib/layer.py"
    breaks = (
        a_break(0, file=torchs, line=3),
        a_break(1, file=package, line=4),
        a_break(2, line=7),
        a_break(2, line=8),
        a_break(2, line=8),
        a_break(2, reason="Call to `torch._dynamo.graph_break()`", upstream="GB0025", line=6),
    )
    again = compilation(3, frame_compile_id=1, recompile_reasons=(SIZES[0],))
    report = make_report(evidence(breaks=breaks, compilations=(*map(compilation, range(3)), again)))
    order = [(finding.severity, finding.owner, finding.location.line) for finding in report.findings]
    assert order[:4] == [("error", "mine", 8), ("error", "mine", 7), ("error", "dependency", 4), ("error", "torch", 3)]
    assert [severity for severity, _, _ in order[4:]] == ["warning", "info"]
    assert report.summary["deliberate_breaks"] == 1


def test_a_break_in_a_package_names_the_users_line():
    package = "/venv/site-packages/lib/layer.py"
    stack = (*a_break().stack, *a_break(file=package, line=4).stack[1:])
    (finding,) = make_report(evidence(breaks=(a_break(file=package, line=4, stack=stack),))).findings
    assert (finding.owner, finding.location.file, finding.via.line, finding.via.snippet) == (
        "dependency",
        package,
        7,
        'print("seen")',
    )


def test_paths_are_relative_to_where_it_ran():
    moved = relative(make_report(evidence(breaks=(a_break(), a_break(file="/elsewhere/util.py")))))
    assert {finding.location.file for finding in moved.findings} == {"model.py", "/elsewhere/util.py"}
    assert moved.sources == {"model.py": SOURCE}
    near = replace(make_report(evidence(breaks=(a_break(),))), cwd="/work/proj")  # no directory of that path
    assert relative(near).findings[0].location.file == MODEL
    for cwd in ("", "/"):
        assert relative(replace(near, cwd=cwd)).findings[0].location.file == MODEL


def test_unknown_events_and_disagreements_are_told():
    counts = Counts("7", {"stats": {"unique_graphs": 5}})
    report = make_report(
        evidence(
            unknown={"brand_new": 3},
            counts=(counts,),
            logs=(LogRecord("7", "graph_break", "Graph break in user code at model.py:3"),),
        )
    )
    assert report.unknown_events == {"brand_new": 3}
    assert len(report.disagreements) == 2
    text = renderer("text")(report, 1)
    assert "3× brand_new" in text and "5 by Dynamo's counter unique_graphs" in text
    assert '"brand_new": 3' in renderer("json")(report)


def test_the_same_capture_gives_the_same_bytes(tmp_path):
    folder = write_capture(tmp_path / "capture")
    for kind in ("text", "json"):
        for verbosity in (0, 1, 2):
            one, two = (renderer(kind)(make_report(load_capture(folder)), verbosity) for _ in range(2))
            assert one == two
