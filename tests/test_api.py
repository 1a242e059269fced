"""compile-doctor from Python: a child process, this process, a block, a capture; and a report that shows itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT
from helpers import write_capture

import compile_doctor
from compile_doctor.errors import CaptureError, UsageError

RECORDED = ROOT / "tests" / "evidence" / "2.13.0" / "cd102-fires.zip"
PROGRAM = """\
import torch
import compile_doctor


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x, scale=1):
        y = self.linear(x) * scale
        if y.sum() > 0:
            y = y + 1
        return y


def clean(x):
    return x.relu() + 1


def broken(x):
    raise ValueError("no")


x = torch.randn(2, 4)
report = compile_doctor.diagnose(Model(), (x,), backend="eager")
assert (report.verdict, [one.code for one in report.findings]) == ("unhealthy", ["CD102"]), report
assert report.findings[0].location.file == "program.py" or report.findings[0].location.file.endswith("/program.py")
assert report.exit_code() == 1 and report.exit_code("never") == 0 and "CD102" in str(report)
report = compile_doctor.diagnose(Model(), {"x": x, "scale": 2}, backend="eager", grad=True)
assert report.summary["graphs"] >= 1 and report.verdict == "unhealthy", report
report = compile_doctor.diagnose(clean, x, backend="eager")
assert (report.verdict, report.exit_code()) == ("healthy", 0), report
report = compile_doctor.diagnose(broken, x, backend="eager")
assert report.verdict != "healthy" and report.exit_code() == 1, report

torch._dynamo.reset()
with compile_doctor.watch() as seen:
    torch.compile(clean, backend="eager")(x)
assert seen.report.summary["graphs"] == 1 and seen.report.verdict == "healthy"
try:
    with compile_doctor.watch() as seen:
        torch.compile(clean, backend="eager")(torch.randn(2, 2, 4))
        1 / 0
except ZeroDivisionError:
    assert seen.report.verdict != "healthy", seen.report
else:
    raise AssertionError
print("all of it")
"""


def test_a_capture_is_loaded_without_torch():
    program = (
        "import sys, compile_doctor\n"
        f"report = compile_doctor.load({str(RECORDED)!r})\n"
        "print(report.render('text'))\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[2] == "UNHEALTHY   1 line breaks the model into 2 graphs."


def test_every_format_is_that_of_the_command(tmp_path):
    from compile_doctor.render import formats, renderer

    report = compile_doctor.load(write_capture(tmp_path / "c"))
    for name in formats():
        assert report.render(name) == renderer(name)(report)
    assert json.loads(report.render("json"))["verdict"] == report.verdict == "unhealthy"
    assert str(report) == report.render() and report._repr_markdown_() == report.render("markdown")
    assert isinstance(report, compile_doctor.Report) and report.exit_code() == 1
    with pytest.raises(UsageError, match=r"'pdf' is not a known format. Give one of text, json, markdown"):
        report.render("pdf")


def test_what_is_wrong_is_said_before_anything_runs(tmp_path):
    with pytest.raises(CaptureError, match="does not exist"):
        compile_doctor.load(tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"'token' is not a known option\. The options are arguments, as_is, backend"):
        compile_doctor.diagnose("model.py", token=3)
    with pytest.raises(UsageError, match="has its own inputs"):
        compile_doctor.diagnose("model.py", (1,))
    with pytest.raises(UsageError, match="An object of type int cannot be called"):
        compile_doctor.diagnose(3, (1,))
    with pytest.raises(
        UsageError, match=r"'tokens' is not a known option\. The options are backend, dynamic, grad, mode"
    ):
        compile_doctor.diagnose(print, (1,), tokens=3)
    with pytest.raises(AttributeError):
        compile_doctor.nothing  # noqa: B018


@pytest.mark.compile
def test_in_this_process_and_around_a_block(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.strip() == "all of it", done.stdout + done.stderr


@pytest.mark.compile
def test_a_target_string_runs_in_a_child_process(tmp_path):
    report = compile_doctor.diagnose("example:four-breaks", backend="eager", capture=tmp_path / "run1")
    assert [one.code for one in report.findings][:1] == ["CD101"] and report.exit_code() == 1
    again = compile_doctor.load(tmp_path / "run1")
    assert [one.title for one in again.findings] == [one.title for one in report.findings]
    assert again.verdict == report.verdict and not again.missing
