"""Replays the programs with several ranks, recorded on torch 2.13: which rank, which line, which finding; needs no torch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import labels
from compile_doctor.analysis.ranks.caches import LEAST, colder, reason
from compile_doctor.capture import load_capture
from compile_doctor.model.ranks import ranges
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

HERE = Path(__file__).parent
RECORDED = HERE / "evidence" / "ranks"
PROGRAMS = labels.programs(HERE / "programs" / "ranks")
SAME = [path for path in PROGRAMS if path.stem.startswith("same_")]
TORCH = "2.13.0"
RANKS = ("CD801", "CD802", "CD803", "CD804", "CD805")


def replay(program: Path):
    return make_report(load_capture(RECORDED / f"{program.stem.replace('_', '-')}.zip"))


def test_every_program_is_recorded():
    assert {path.stem for path in RECORDED.glob("*.zip")} == {path.stem.replace("_", "-") for path in PROGRAMS}
    assert len(SAME) >= 20
    assert len(PROGRAMS) - len(SAME) >= 24


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_right_finding_on_the_right_ranks(program):
    """The word behind a code in a label is the ranks: `# expect CD101 1-3`."""
    label = labels.read(program)
    report = replay(program)
    expected = Counter((one.code, one.line, one.label) for one in label.expected(TORCH))
    anywhere = {code for code, line, _ in expected if line is None}
    found = Counter(
        (one.code, one.location.line if one.location and one.code not in anywhere else None, ranges(one.ranks))
        for one in report.findings
    )
    assert found == expected
    assert report.verdict == label.summary(TORCH)["verdict"]
    assert exit_code(report, "error") == int(label.summary(TORCH)["exit"])
    for words in label.words:
        texts = [f"{one.message} {one.fix}" for one in report.findings if one.code == words.code]
        assert any(words.text in text for text in texts) == words.wanted, texts


@pytest.mark.parametrize("program", SAME, ids=lambda path: path.stem)
def test_ranks_that_do_the_same_do_not_diverge(program):
    report = replay(program)
    assert report.ranks is not None
    assert not report.ranks.diverge
    assert not [one.code for one in report.findings if one.code in RANKS]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_no_figure_is_added_up_over_ranks(program):
    report = replay(program)
    rows = [row.figures for row in report.ranks.rows if row.figures]
    for name in ("graphs", "graph_breaks", "recompiles", "frames_skipped"):
        assert report.summary[name] == max(row[name] for row in rows)


@pytest.mark.parametrize(
    "name", ["function", "breaks", "lengths", "no-sync", "fsdp-bf16", "tensor-parallel", "spawned"]
)
def test_ranks_that_do_the_same_share_one_evidence(name):
    """What a process has of its own, such as times, must not make its rank another one: memory grows with the groups."""
    assert len(load_capture(RECORDED / f"same-{name}.zip").ranks.groups) == 1


def test_why_a_cache_missed_is_read_from_the_keys():
    """Rank 1 has an empty folder for its caches: the key is that of rank 0, which hit. CD805 has it, since it took so long."""
    ranks = load_capture(RECORDED / "cold-cache-on-rank-1.zip").ranks
    (found,) = colder(ranks)
    assert (found.hit, found.missed) == ((0,), (1,))
    assert found.waited > LEAST
    assert reason(ranks, found.asked[0]).same_key


def test_what_to_do_about_a_mode_is_not_to_pass_a_tensor():
    (found,) = (
        one for one in replay(HERE / "programs" / "ranks" / "no_grad_on_rank_0.py").findings if one.code == "CD803"
    )
    assert "in each mode on all ranks" in found.fix
