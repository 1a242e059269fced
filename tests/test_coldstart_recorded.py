"""Replays the programs that `coldstart` started twice on eight versions of torch: which finding, at which line; needs no torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import TORCHES

from benchmarks import labels
from compile_doctor.capture import load_capture
from compile_doctor.report.make import make_report
from compile_doctor.report.proof import lacking

HERE = Path(__file__).parent
RECORDED = HERE / "evidence" / "starts"
PROGRAMS = labels.programs(HERE / "programs" / "starts")


@pytest.mark.parametrize("version", TORCHES)
def test_every_program_is_recorded(version):
    recorded = {path.stem for path in (RECORDED / version).glob("*.zip")}
    assert recorded == {path.stem.replace("_", "-") for path in PROGRAMS}
    assert len(PROGRAMS) >= 2


@pytest.mark.parametrize("version", TORCHES)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_right_finding_at_the_right_line(program, version):
    whole = load_capture(RECORDED / version / f"{program.stem.replace('_', '-')}.zip")
    assert whole.earlier is not None and not whole.damage
    findings = [one for one in make_report(whole).findings if one.facts.compares_starts]
    expected = labels.read(program).expected(version)
    assert [(one.code, one.cause, one.location and one.location.line) for one in findings] == [
        (one.code, one.label, one.line) for one in expected
    ]
    assert (whole.earlier.compilations[0].timing is not None) and whole.calls


def test_a_report_of_the_starts_says_that_nothing_was_compared():
    whole = load_capture(RECORDED / "2.13.0" / "blocks.zip")
    assert lacking(whole, ()) == ("the eager control run was not made",)
