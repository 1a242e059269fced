"""Replays the programs that `coldstart` started twice, recorded on torch 2.13: which finding, at which line; needs no torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import labels
from compile_doctor.capture import load_capture
from compile_doctor.report.make import make_report

HERE = Path(__file__).parent
RECORDED = HERE / "evidence" / "starts"
PROGRAMS = labels.programs(HERE / "programs" / "starts")


def test_every_program_is_recorded():
    assert {path.stem for path in RECORDED.glob("*.zip")} == {path.stem.replace("_", "-") for path in PROGRAMS}
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_right_finding_at_the_right_line(program):
    whole = load_capture(RECORDED / f"{program.stem.replace('_', '-')}.zip")
    assert whole.earlier is not None and not whole.damage
    findings = [one for one in make_report(whole).findings if one.facts.compares_starts]
    label = labels.read(program)
    assert [(one.code, one.location and one.location.line) for one in findings] == [
        (one.code, one.line) for one in label.expected("2.13.0")
    ]
    for one in findings:
        assert one.cause == label.expected("2.13.0")[0].label
    assert (whole.earlier.compilations[0].timing is not None) and whole.calls
