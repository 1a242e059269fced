"""The text report: short, narrow, and safe for a terminal, whatever the model's source holds."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import MODEL, a_break, compilation, evidence, write_capture

from compile_doctor.model.compilations import LogRecord
from compile_doctor.model.findings import Finding, Location
from compile_doctor.render import formats, renderer
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

ESCAPE = re.compile(r"\x1b|\x9b|\x07|\x08|\r|\x00")
HOSTILE = [
    'print("[red]danger[/red] [link=http://x]y[/link] :smile:")',
    'print("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J")',
    'print("back\x08space and \r return \x00 nul")',
    'print("' + "long" * 5000 + '")',
    "print('größe 模型 🔥 \u202e right to left \u2028')",
    "print('\udc80 lone surrogate')",
]


def text(report: Report, verbosity: int = 0) -> str:
    return renderer("text")(report, verbosity)


def broken(code: str = 'print("seen")', file: str = MODEL, reason: str | None = None) -> Report:
    item = a_break(file=file, line=2, **({"reason": reason} if reason else {}))
    return make_report(evidence(breaks=(item,), sources={file: f"def forward(self, x):\n    {code}\n    return x\n"}))


def many(count: int, spread: int = 1) -> Report:
    source = "\n".join(f"print({number})" for number in range(count + 5))
    breaks = [a_break(number // spread, line=number + 1) for number in range(count)]
    frames = [
        compilation(n, function=f"layer_{n}", guarded=False, fail_type="Unsupported", graphs=0) for n in range(count)
    ]
    limits = [
        f"torch._dynamo hit config.recompile_limit (8)\n   function: 'layer_{n}' ({MODEL}:{n})\n   last reason: x"
        for n in range(count)
    ]
    logs = tuple(LogRecord("7", "limit", message) for message in limits)
    return make_report(
        evidence(breaks=tuple(breaks), compilations=(compilation(), *frames), sources={MODEL: source}, logs=logs)
    )


def test_the_short_report_of_200_breaks_stays_short():
    shown = text(many(200))
    assert len(shown.splitlines()) < 60
    assert re.search(r"and \d+ more: ", shown)
    assert "-v" in shown.splitlines()[-1]


def test_no_line_of_the_short_report_of_200_breaks_is_endless():
    assert max(map(len, text(many(200)).splitlines())) < 400


def test_verbose_shows_them_all():
    shown = text(many(200), 1)
    assert all(f"> {number} |" in re.sub(" +", " ", shown) for number in (1, 100, 200))


def test_verdict_first_then_findings_then_figures():
    lines = [line for line in text(broken()).splitlines() if line]
    assert lines[0].startswith("model.py · torch 2.13.0+cpu")
    assert lines[1].startswith("UNHEALTHY   1 line breaks the graph")
    assert lines[2].startswith("1  CD101 graph-break  model.py:2 in forward")
    assert '> 2 |     print("seen")' in lines[4]
    assert lines[-2].startswith("1 graph · 1 graph break · compile 0.5 s")
    assert "compile-doctor explain CD101" in lines[-1]


def test_a_healthy_report_is_a_few_lines():
    shown = text(make_report(evidence(seconds={"eager": 1.25}, max_difference=1e-7)))
    assert len(shown.splitlines()) <= 6
    assert "HEALTHY   1 graph compiled, no graph breaks, no recompilations." in shown
    assert "equals eager to 1e-07" in shown


@pytest.mark.parametrize("code", HOSTILE, ids=["markup", "ansi", "control", "long", "unicode", "surrogate"])
@pytest.mark.parametrize("verbosity", [0, 1])
def test_hostile_source_stays_text(code, verbosity):
    for report in (broken(code), broken(reason=f"Unsupported: {code}\n  Explanation: {code}\n  Hint: {code}")):
        shown = text(report, verbosity)
        assert not ESCAPE.search(shown)
        assert json.loads(renderer("json")(report))["verdict"] == "unhealthy"
    assert len(shown.splitlines()) < 200 or "long" in code


def test_markup_is_shown_as_it_is():
    assert "[red]danger[/red] [link=http://x]y[/link] :smile:" in text(broken(HOSTILE[0]))


def test_hostile_names_stay_text():
    finding = Finding(
        "CD101",
        "graph-break",
        "error",
        "t\x1b[2J",
        "m\x1b[2J",
        Location("a\x1b[2J.py", 1, "f\x1b[2J"),
        fix="x\x1b[2J",
        evidence=("e\x1b[2J",),
    )
    report = Report(**{**vars(broken()), "findings": (finding,), "target": "model\x1b[2J.py", "notes": ("n\x1b[2J",)})
    assert not ESCAPE.search(text(report, 1))


@pytest.mark.parametrize("columns", [20, 60, 80, 300])
def test_prose_keeps_to_the_width(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    prose = " ".join(["word"] * 200)
    finding = Finding("CD101", "graph-break", "error", "t", prose, Location(MODEL, 2, "forward"), fix=prose)
    shown = text(Report(**{**vars(broken("x = '" + "y" * 300 + "'")), "findings": (finding,)}))
    written = [line for line in shown.splitlines() if "word" in line or "yyy" in line]
    assert len(written) > 8
    assert max(map(len, written)) <= max(60, min(columns, 120))


def test_code_in_a_fix_keeps_its_lines_and_indentation():
    finding = Finding(
        "CD101", "graph-break", "error", "t", "m", fix="Write\n    y = torch.where(a, b, c)\n        nested\ninstead."
    )
    shown = text(Report(**{**vars(broken()), "findings": (finding,)}))
    assert "Write\n" in shown and "    y = torch.where(a, b, c)\n" in shown and "        nested\n" in shown


def test_unknown_formats_are_none():
    assert set(formats()) >= {"text", "json"}


def on_a_terminal(cwd: Path, *arguments: str, **env: str) -> str:
    """What the command writes when its stdout is a terminal."""
    ours, theirs = pty.openpty()
    made = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm-256color", **env}
    child = subprocess.Popen(
        [sys.executable, "-m", "compile_doctor", *arguments],
        cwd=cwd,
        env=made,
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
    )
    os.close(theirs)
    found = b""
    try:
        while block := os.read(ours, 65536):
            found += block
    except OSError:  # Linux ends a terminal whose other side is closed with an error
        pass
    os.close(ours)
    child.wait(60)
    return found.decode()


def test_colour_only_on_a_terminal_and_not_with_no_color(capture, run_cli):
    assert "\x1b[" not in run_cli("report", capture).stdout
    assert "\x1b[" in on_a_terminal(capture, "report", str(capture))
    plain = on_a_terminal(capture, "report", str(capture), NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain)


def test_a_file_gets_no_colour_even_where_the_terminal_does(capture, tmp_path):
    on_a_terminal(tmp_path, "report", str(capture), "-o", "text:report.txt")
    assert "\x1b" not in (tmp_path / "report.txt").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_output_that_cannot_hold_every_letter(tmp_path, run_cli, encoding):
    folder = write_capture(tmp_path / "c", target="größe/模型.py")
    for kind in ("text", "json"):
        done = run_cli("report", folder, "--format", kind, env={"PYTHONIOENCODING": encoding})
        assert done.returncode == 1, done.stderr
        assert "mistake" not in done.stderr


def test_a_file_gets_a_report_whatever_letters_a_path_has(tmp_path, run_cli):
    """A file name that is no UTF-8 reaches the trace, and so the report, as a lone surrogate."""
    folder = write_capture(tmp_path / "c", target="a\udc80.py")
    done = run_cli("report", folder, "-o", "json:report.json", "-o", "text:report.txt")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads((tmp_path / "report.json").read_text())["target"].startswith("a")
