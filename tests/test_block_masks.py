"""A BlockMask that was made for another batch, or for other heads, than the query has: CD310, or CD107 if the process died."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import DONE, MODEL
from test_attention import CPP, in_graph, node, tensor, watched

from compile_doctor.model.evidence import Child
from compile_doctor.model.stacks import Frame
from compile_doctor.report.make import make_report

NAME = "flex_attention"


def call(query, mask, **values):
    q = tensor(*query, 512, 32)
    return replace(node(inputs=(q, q, q), **values), mask=(*mask, 512, 512) if mask else ())


def run(query, mask, differs=None, **values):
    blocks = {} if differs is None else {("7", 1, NAME): differs}
    return watched(in_graph(call(query, mask), kernels=(CPP,)), blocks=blocks, **values)


def found(evidence, code="CD310"):
    return [one for one in make_report(evidence).findings if one.code == code]


def died(evidence, signal="SIGFPE", begun=True):
    attention = replace(evidence.attention, ran={} if begun else {("7", 1): 1}, measured=False, windows=())
    children = (Child("diagnose", -8, signal=signal), Child("control", 0))
    return replace(evidence, attention=attention, children=children, phases={**DONE, "compiled": "begun"})


@pytest.mark.parametrize(
    ("query", "mask", "differs"),
    [
        ((2, 4), (4, 1), None),
        ((4, 4), (3, 4), None),
        ((2, 4), (1, 8), None),
        ((2, 4), (2, 3), False),  # cannot be repeated, whatever its blocks are
        ((4, 4), (2, 1), True),
        ((2, 8), (2, 2), True),  # the heads of keys and values
    ],
)
def test_a_mask_of_another_batch_or_of_other_heads_is_reported_at_the_call(query, mask, differs):
    (one,) = found(run(query, mask, differs))
    assert (one.location.file, one.location.line) == (MODEL, 7)
    assert f"batch {mask[0]}" in one.message and f"batch {query[0]}" in one.message
    assert (one.cause, one.severity) == (
        ("block-mask-repeated", "warning") if differs else ("block-mask-misfit", "error")
    )


@pytest.mark.parametrize(
    ("query", "mask", "differs"),
    [
        ((2, 4), (), None),
        ((2, 4), (1, 1), None),
        ((2, 4), (2, 4), None),
        ((4, 8), (2, 2), False),  # all entries are the same
        ((4, 8), (2, 2), None),  # not seen
        ((4, 8), (-1, 8), None),  # a size that is not known
    ],
)
def test_a_mask_that_fits_or_of_which_it_is_not_known_is_not_reported(query, mask, differs):
    assert found(run(query, mask, differs)) == []


@pytest.mark.parametrize(
    ("query", "mask", "has", "has_not"),
    [
        ((2, 4), (4, 4), "B=q.shape[0]", "H="),
        ((2, 8), (2, 3), "H=q.shape[1]", "B="),
        ((2, 8), (4, 3), "H=q.shape[1]", "none"),
    ],
)
def test_the_fix_names_what_does_not_fit(query, mask, has, has_not):
    (one,) = found(run(query, mask))
    assert has in one.fix and has_not not in one.fix


def test_the_death_of_the_process_is_one_finding_that_names_the_mask():
    evidence = died(run((2, 4), (4, 4), True))
    (one,) = found(evidence, "CD107")
    assert (one.location.file, one.location.line) == (MODEL, 7)
    assert "SIGFPE" in one.title and "batch 4" in one.message and one.cause == "died:block-mask-misfit"
    assert found(evidence) == []


@pytest.mark.parametrize(
    "evidence",
    [
        died(run((2, 4), (4, 4), True), signal="SIGKILL"),  # memory ran out
        died(run((2, 4), (4, 4), True), begun=False),  # the graph ended a call before
        died(run((2, 4), (4, 4), None)),  # no call of it was seen to begin
        died(run((4, 4), (2, 4), True)),  # repeated, not read outside
        died(run((2, 4), (2, 4), None)),
    ],
    ids=["killed", "ran", "not-begun", "repeated", "fits"],
)
def test_a_death_of_another_cause_does_not_name_the_mask(evidence):
    (one,) = found(evidence, "CD107")
    assert one.cause.startswith("died:SIG")


def test_results_that_differ_are_in_the_finding_of_their_cause():
    evidence = run((4, 4), (2, 1), True)
    wrong = replace(evidence, max_difference=4.8, facts=replace(evidence.facts, largest_output=3.6))
    (one,) = found(wrong)
    assert one.severity == "error" and "differ by up to 4.8" in one.message
    assert found(wrong, "CD601") == []
    assert found(replace(wrong, attention=replace(wrong.attention, blocks={})), "CD601")


def test_two_graphs_of_one_line_are_one_finding():
    second = in_graph(call((2, 4), (4, 4)), number=2, frame_id=1)
    evidence = run((2, 4), (4, 4))
    (one,) = found(replace(evidence, compilations=(*evidence.compilations, second)))
    assert one.count == 2 and one.location.line == 7


def test_flex_compiled_by_itself_is_at_the_line_that_calls_it():
    alone = in_graph(call((2, 4), (4, 4), stack=()), callers=(Frame(MODEL, 9, "forward"),))
    (one,) = found(watched(alone))
    assert one.location.line == 9
