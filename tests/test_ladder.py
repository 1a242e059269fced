"""The sizes of `--tokens`: which are run, when it stops, and what it says of those that were not."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import DONE, compilation, evidence, failure
from test_attention import SCORES, dense_call, in_graph, node, qkv, sdpa_ran, tensor, watched

from compile_doctor.analysis.attention.calls import sites
from compile_doctor.analysis.attention.growth import dense_path, size_outcome, steps, verdicts
from compile_doctor.capture import load_capture
from compile_doctor.model.evidence import Rung
from compile_doctor.model.size_outcome import SizeOutcome
from compile_doctor.model.sizes import dense_need
from compile_doctor.run import size_ladder
from compile_doctor.run.size_ladder import FIRST, refusal, sizes

RECORDED = Path(__file__).parent / "evidence" / "2.13.0"
KNOWN = [1, 5, 64, 255, 256, 512, 1000, 1023, 1024, 1025, 2000, 2048, 4096, 5000, 10_000, 16_384, 65_536, 131_072]
LARGE = 8 * SCORES


def scores(tokens):
    return 2 * tokens * tokens * 4


def fused(tokens):
    return Rung(tokens, watched(in_graph(node(inputs=qkv(tokens))), peak=tokens * 256, largest=tokens * 64))


def dense(tokens):
    call = dense_call(inputs=qkv(tokens))
    return Rung(tokens, watched(compilation(), dense=(call,), window="7:dense:0", peak=4 * scores(tokens)))


def unproven(tokens):
    """A kernel, and around it as much memory as the scores would take."""
    return Rung(tokens, watched(in_graph(node(inputs=qkv(tokens))), peak=2 * scores(tokens), largest=scores(tokens)))


def not_run(tokens, reason="no room", predicted=None):
    return Rung(tokens, None, reason, predicted)


def stop(rungs, size, left):
    """(why not to run `size`, what dense would need there), as the ladder decides once these have run."""
    ran = [size_outcome(one.tokens, one.evidence, rungs[:place]) for place, one in enumerate(rungs) if one.evidence]
    ran[-1] = replace(ran[-1], memory_left=left)
    return size_ladder.stop(ran, size), ran[-1].dense_need(size)


def predicted_dense(site, tokens, size):
    path = dense_path(site, tokens)
    return path and path.at(size)


def ladder_of(*rungs):
    last = [rung.evidence for rung in rungs if rung.evidence][-1]
    (verdict,) = verdicts(rungs, last)
    return steps(verdict, rungs)


# sizes


@pytest.mark.parametrize("tokens", KNOWN)
def test_sizes_are_few_sorted_and_end_where_it_was_asked(tokens):
    found = sizes(tokens)
    assert found == sorted(set(found))
    assert found[-1] == tokens
    assert 1 <= len(found) <= 3
    assert 1 <= found[0] <= FIRST


@pytest.mark.parametrize("tokens", [size for size in KNOWN if size >= 1024])
def test_a_large_size_has_a_smaller_one_to_grow_from(tokens):
    assert len(sizes(tokens)) >= 2


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (1000, [1000]),
        (1024, [256, 1024]),
        (4096, [1024, 4096]),
        (16_384, [1024, 4096, 16_384]),
        (131_072, [512, 2048, 131_072]),
        (5000, [320, 1280, 5000]),  # whole blocks of 64 where it does not divide
    ],
)
def test_sizes(tokens, expected):
    assert sizes(tokens) == expected


# when to stop


def test_fused_goes_on_whatever_dense_would_need():
    reason, needed = stop([fused(1024), fused(4096)], 16_384, left=1000)
    assert reason == ""
    assert needed > 1000


def test_a_square_grid_stays_one():
    assert sizes(2025) == [529, 2025]  # 45 x 45, 23 x 23


@pytest.mark.parametrize("phase", ["inputs", "eager"])
def test_a_size_that_the_target_refuses_is_no_fault_of_its(phase):
    found = failure(phase, message="529 tokens are too few\nfor this model")
    both = (found,) if phase == "inputs" else (replace(found, phase="compiled"), found)
    assert refusal(evidence(failures=both)) == "the target does not support this size: 529 tokens are too few"


def test_a_size_that_only_the_compiled_run_fails_at_is_one():
    assert refusal(evidence(failures=(failure("compiled"),))) == ""


def test_dense_is_plain_after_two_sizes():
    assert stop([dense(256)], 1024, left=10**12)[0] == ""
    reason, needed = stop([dense(256), dense(1024)], 4096, left=10**12)
    assert "which decides the verdict" in reason
    assert needed == 16 * 4 * scores(1024)


def test_mixed_is_dense_enough_to_stop():
    def both(tokens):
        call = dense_call(inputs=qkv(tokens))
        return Rung(tokens, watched(in_graph(node(inputs=qkv(tokens))), dense=(call,)))

    assert "decides" in stop([both(256), both(1024)], 4096, left=10**12)[0]


def test_unproven_runs_only_where_its_dense_path_would_fit():
    _, needed = stop([unproven(256)], 1024, left=None)
    assert stop([unproven(256)], 1024, left=needed)[0] == ""
    reason, _ = stop([unproven(256)], 1024, left=needed - 1)
    assert reason == f"its dense path would need {needed:,} bytes, but only {needed - 1:,} are free"


def test_dense_after_one_size_runs_only_where_it_would_fit():
    assert "are free" in stop([dense(256)], 1024, left=1000)[0]


@pytest.mark.parametrize("phase", ["failed", "begun"])
def test_a_run_that_did_not_end_stops_it(phase):
    rung = fused(1024)
    ended = replace(rung.evidence, phases={**DONE, "compiled": phase})
    assert "did not finish" in stop([Rung(1024, ended)], 4096, left=None)[0]


def test_a_failure_stops_it_even_of_a_phase_called_done():
    ended = replace(fused(1024).evidence, failures=(failure("compiled"),))
    assert stop([Rung(1024, ended)], 4096, left=None) == ("the run at the next smaller size did not finish", None)


def test_a_failing_eager_control_does_not_stop_it():
    found = replace(fused(1024).evidence, failures=(failure("eager"),))
    assert stop([Rung(1024, found)], 4096, left=None)[0] == ""


def test_an_eager_control_that_fails_after_a_compiled_run_stops_it_and_predicts_nothing():
    found = replace(unproven(1024).evidence, phases={**DONE, "eager": "failed"})
    assert stop([Rung(1024, found)], 4096, left=None) == ("the target fails in eager mode too", None)


def test_the_ladder_decides_from_outcomes_alone():
    ran = SizeOutcome(1024, finished=True, has_attention=True, is_fused=False, memory_left=10)
    assert size_ladder.stop([ran], 4096) == ""
    assert "did not finish" in size_ladder.stop([replace(ran, finished=False)], 4096)


def test_without_attention_there_is_nothing_to_fear():
    assert stop([Rung(1024, watched())], 4096, left=1) == ("", None)


def test_the_last_size_that_ran_counts():
    rungs = [dense(256), dense(1024), not_run(4096)]
    assert stop(rungs, 16_384, left=None)[1] == 256 * 4 * scores(1024)


# predictions


def test_scores_grow_with_the_square():
    (site,) = sites(fused(1024).evidence)
    at = predicted_dense(site, 1024, 1024)
    assert at == dense_need(scores(1024) // 4, 1024 * 1024)
    assert predicted_dense(site, 1024, 4096) == 16 * at


def test_a_decoding_query_grows_with_the_tokens():
    (site,) = sites(watched(in_graph(node(inputs=qkv(1024, queries=1)))))
    at = predicted_dense(site, 1024, 1024)
    assert at == dense_need(2 * 1024, 1024) == 28 * 1024
    assert predicted_dense(site, 1024, 4096) == 4 * at


def test_sdpa_has_no_mask_to_write_out():
    (site,) = sites(watched(in_graph(node(api="sdpa", inputs=qkv(1024)), kernels=()), runs=0))
    assert predicted_dense(site, 1024, 1024) == dense_need(scores(1024) // 4, 0)


def test_what_was_measured_is_better_than_an_estimate():
    (site,) = sites(dense(1024).evidence)
    assert predicted_dense(site, 1024, 2048) == 4 * 4 * scores(1024)


def test_without_shapes_there_is_no_prediction():
    nothing = (None, tensor(1, 2, 512, 32), None)
    (site,) = sites(watched(in_graph(node(inputs=nothing))))
    assert predicted_dense(site, 512, 1024) is None


# the table


def test_a_fused_ladder():
    small, large = ladder_of(fused(1024), fused(4096))
    assert [(step.tokens, step.ran, step.verdict) for step in (small, large)] == [
        (1024, True, "fused"),
        (4096, True, "fused"),
    ]
    assert (large.peak, large.fused) == (4096 * 256, 4 * small.peak)
    assert large.dense == 16 * small.dense


def test_sizes_that_were_not_run_carry_the_growth():
    found = ladder_of(dense(256), dense(1024), not_run(4096, "plain"), not_run(16_384, "plain"))
    assert [(step.ran, step.verdict) for step in found[1:]] == [
        (True, "dense"),
        (False, "dense (from growth)"),
        (False, "dense (from growth)"),
    ]
    assert [step.dense for step in found[1:]] == [4 * scores(1024), 64 * scores(1024), 1024 * scores(1024)]
    assert [step.peak for step in found[2:]] == [None, None]
    assert found[2].reason == "plain"


def test_a_fused_verdict_is_not_carried_to_a_size_that_was_not_run():
    last = ladder_of(fused(1024), not_run(4096))[-1]
    assert (last.ran, last.verdict, last.reason, last.fused) == (False, "not run", "no room", 4096 * 256)


def test_a_dense_site_has_no_fused_peak_to_grow():
    assert [step.fused for step in ladder_of(dense(256), dense(1024))] == [None, None]


def test_sdpas_math_operator_is_measured_and_leaves_no_fused_peak():
    def math(tokens):
        ran = sdpa_ran(backend="math", peak=4 * scores(tokens), inputs=qkv(tokens))
        return Rung(tokens, watched(compilation(), eager_sdpa=(ran,)))

    found = ladder_of(math(256), math(1024), not_run(4096))
    assert [step.dense for step in found] == [4 * scores(256), 4 * scores(1024), 64 * scores(1024)]
    assert [step.fused for step in found] == [None, None, None]


def test_a_site_that_is_new_at_the_larger_size():
    first, last = ladder_of(Rung(1024, watched()), fused(4096))
    assert (first.ran, first.reason, first.dense) == (False, "the site was not reached at this size", None)
    assert last.verdict == "fused"


def test_verdicts_are_of_the_largest_size_and_know_the_growth():
    rungs = [fused(256), fused(1024), not_run(4096)]
    (verdict,) = verdicts(rungs, rungs[1].evidence)
    assert verdict.site.tokens == 1024
    assert verdict.growth == pytest.approx(1.0)


def test_a_recorded_ladder():
    """Measured on torch 2.13: flash attention's memory grows with the tokens, from 512 to 2,048."""
    evidence = load_capture(RECORDED / "cd502-silent.zip")
    (verdict,) = verdicts(evidence.rungs, evidence)
    found = steps(verdict, evidence.rungs)
    assert [(step.tokens, step.verdict) for step in found] == [(512, "fused"), (2048, "fused")]
    assert 0.9 < verdict.growth < 1.1
    assert found[1].peak < found[1].dense / 50


@pytest.mark.parametrize("tokens", [257, 1025, 4097, 1601])
def test_no_two_sizes_are_close_to_each_other(tokens):
    found = sizes(tokens)
    assert all(b >= 2 * a for a, b in itertools.pairwise(found))
