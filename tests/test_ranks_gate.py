"""The gate observes commands: figures of each rank, the number of ranks, and ranks that have to be alike."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from compile_doctor.capture import load_capture
from compile_doctor.errors import UsageError
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate.config import Configuration, read_configuration
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.decide import judge
from compile_doctor.report.make import make_report

RECORDED = Path(__file__).parent / "evidence" / "ranks"
TODAY = datetime.date(2026, 1, 1)


def judged(tmp_path, name, before="same-function", **keys):
    """The outcome of a recording as a target, against the baseline of another one."""
    known = baseline.snapshot("train", make_report(load_capture(RECORDED / f"{before}.zip")))
    baseline_files.write(baseline_files.path_of(tmp_path, "train", known.torch, known.device), known)
    target = GateTarget("train", command="torchrun train.py", **keys)
    return judge(target, load_capture(RECORDED / f"{name}.zip"), Configuration(tmp_path, tmp_path, (target,)), TODAY)


def test_a_run_like_its_baseline_passes(tmp_path):
    assert judged(tmp_path, "same-function", ranks=2, same_on_all_ranks=True, max_recompiles=0).status == "pass"


def test_a_rank_that_breaks_is_a_regression(tmp_path):
    outcome = judged(tmp_path, "break-on-rank-1")
    assert outcome.status == "regression"
    assert {change.finding.code for change in outcome.worse if change.finding} == {"CD101", "CD801"}


def test_limits_are_those_of_each_rank(tmp_path):
    outcome = judged(tmp_path, "lengths-on-rank-1", "lengths-on-rank-1", max_recompiles=0, max_graphs=1)
    assert [change.text for change in outcome.worse] == [
        "2 graphs on rank 1, at most 1 allowed (max-graphs)",
        "1 recompilation on rank 1, at most 0 allowed (max-recompiles)",
    ]


def test_ranks_that_have_to_be_alike(tmp_path):
    outcome = judged(tmp_path, "lengths-on-rank-1", "lengths-on-rank-1", same_on_all_ranks=True)
    assert [change.text for change in outcome.worse] == ["the ranks do not do the same (same-on-all-ranks)"]


def test_another_number_of_ranks_proves_nothing(tmp_path):
    outcome = judged(tmp_path, "same-function", ranks=8)
    assert (outcome.status, outcome.reason) == ("inconclusive", "2 ranks left evidence, and 8 are expected (ranks).")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "target is missing"),
        ('target = "m.py"\ncommand = "torchrun m.py"', "both target and command are given"),
        ('command = "torchrun m.py"\ntokens = 64', "tokens has no effect on a command"),
        ('target = "m.py"\nranks = 2', "ranks needs a command"),
        ("command = 'torchrun \"m.py'", "cannot be split: No closing quotation"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(tmp_path, lines, message):
    text = f'[[tool.compile-doctor.targets]]\nname = "train"\n{lines}\n'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_configuration(tmp_path)
