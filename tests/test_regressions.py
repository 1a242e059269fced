"""What got worse between two snapshots: what one finding's identity bears, and what a waiver excuses. No torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from helpers import a_break, compilation, evidence

from compile_doctor.checks import find_check
from compile_doctor.gate import baseline
from compile_doctor.gate.regressions import compare
from compile_doctor.model.findings import Location
from compile_doctor.report.make import make_report

REPORT = make_report(evidence())
SOURCE = "class Model:\n    def forward(self, x):\n        print(x)\n\n\ndef helper(x):\n    return x\n"


def a_finding(line=3, function="Model.forward", file="model.py", code="CD101", cause="print", **values):
    place = Location(file, line, function)
    given = {"severity": "error", "upstream": "GB0059", **values}
    made = find_check(code).finding("t", "m", location=place, cause=cause, **given)
    return replace(made, name="graph-break")


def a_report(*findings, sources=SOURCE, settings=(), attention=(), **summary):
    return replace(
        REPORT,
        findings=findings,
        attention=attention,
        sources={"model.py": sources},
        settings={**REPORT.settings, **dict(settings)},
        summary={**REPORT.summary, **summary},
    )


def changes(before, after, owners=("mine",), waived=lambda finding: ""):
    known, found = (baseline.snapshot("vit", report) for report in (before, after))
    worse, better = compare(known, found, after, owners, waived)
    return [one.text for one in worse if not one.waived], [one.text for one in better]


def test_a_second_break_of_a_kind_in_a_function_is_new_and_both_lines_are_named():
    worse, _ = changes(a_report(a_finding(3)), a_report(a_finding(3), a_finding(4), frames_compiled=2))
    assert worse == ["new: CD101 graph-break in Model.forward (model.py:3 or 4)"]


def test_a_line_written_as_two_is_formatting_where_nothing_counted_differs():
    assert changes(a_report(a_finding(3)), a_report(a_finding(3), a_finding(4))) == ([], [])
    assert changes(a_report(a_finding(3), a_finding(4)), a_report(a_finding(3))) == ([], [])


def test_one_of_two_mended_is_better():
    _, better = changes(a_report(a_finding(3), a_finding(4), frames_compiled=3), a_report(a_finding(3)))
    assert better == ["gone: CD101 in Model.forward (model.py)"]


def test_a_renamed_function_or_a_new_file_takes_its_finding_along():
    renamed = a_report(a_finding(function="Encoder.forward"), sources=SOURCE.replace("Model", "Encoder"))
    assert changes(a_report(a_finding()), renamed) == ([], [])
    elsewhere = a_report(a_finding(file="layers.py"), sources="")
    assert changes(a_report(a_finding()), elsewhere) == ([], [])


def test_a_break_that_comes_up_in_another_function_is_new():
    worse, better = changes(a_report(a_finding()), a_report(a_finding(6, "helper")))
    assert worse == ["new: CD101 graph-break in helper (model.py:6)"]
    assert better == ["gone: CD101 in Model.forward (model.py)"]


@pytest.mark.parametrize(
    ("cause", "renamed"),
    [
        ("value:n", "value:count"),
        ("size:x:1", "size:tokens:1"),
        ("closure:mod.__closure__[0].cell_contents", "closure:fn.__closure__[0].cell_contents"),
        ("value:cfg.depth", "value:config.depth"),
        ("function:mask_mod", "function:mask"),
    ],
)
def test_what_a_function_calls_its_arguments_is_no_part_of_the_cause(cause, renamed):
    before, after = (a_finding(code="CD201", cause=one) for one in (cause, renamed))
    assert baseline.identity(before) == baseline.identity(after)


@pytest.mark.parametrize(
    ("cause", "other"),
    [
        ("value:self.a", "value:self.b"),
        ("size:x:0", "size:x:1"),
        ("value:cfg.a", "value:cfg.b"),
        ("state:grad_mode", "state:autocast"),
        ("print", "item"),
    ],
)
def test_another_cause_is_another_finding(cause, other):
    before, after = (a_finding(code="CD201", cause=one) for one in (cause, other))
    assert baseline.identity(before) != baseline.identity(after)


def test_a_skipped_frame_is_the_same_whatever_made_it_skip():
    before, after = (
        a_finding(code="CD104", cause=f"skipped:{one}", baseline_cause="skipped") for one in ("print", "tensor-item")
    )
    assert baseline.identity(before) == baseline.identity(replace(after, upstream="GB0124"))


def test_operators_alone_are_neither_worse_nor_better():
    assert changes(a_report(ops_captured=100), a_report(ops_captured=60)) == ([], [])
    assert changes(a_report(ops_captured=60), a_report(ops_captured=100)) == ([], [])


def test_a_part_that_is_compiled_no_longer():
    as_is = {"as_is": True}
    before = a_report(graphs=2, ops_captured=9, settings=as_is)
    worse, better = changes(before, a_report(graphs=1, ops_captured=4, settings=as_is))
    assert "1 graph, 2 in the baseline, with fewer operators" in worse[0] and not better
    worse, better = changes(before, a_report(graphs=1, ops_captured=9, settings=as_is))
    assert not worse and better == ["1 graph, 2 in the baseline"]


def test_more_graphs_without_a_new_finding_name_what_they_lie_behind():
    known = make_report(evidence(breaks=(a_break(),)))
    more = evidence(breaks=(a_break(), a_break()), compilations=tuple(compilation(index) for index in range(3)))
    worse, _ = changes(known, make_report(more))
    assert worse and worse[0].startswith("3 graphs, 1 in the baseline")


def test_a_waiver_excuses_what_its_finding_does_to_the_figures():
    before, after = a_report(), a_report(a_finding(), graphs=3, frames_skipped=1)
    assert len(changes(before, after)[0]) == 3
    assert changes(before, after, waived=lambda finding: "known") == ([], [])
    worse, _ = changes(
        before,
        replace(after, findings=(a_finding(), a_finding(cause="item"))),
        waived=lambda one: "known" * (one.cause == "print"),
    )
    assert worse == ["new: CD101 graph-break in Model.forward (model.py:3)"]


def test_somebody_elses_finding_excuses_the_figures_too():
    after = a_report(a_finding(owner="dependency"), graphs=4)
    assert changes(a_report(), after) == ([], [])
    assert len(changes(a_report(), after, owners=("mine", "dependency"))[0]) == 2


def test_a_break_that_was_asked_for_is_a_break_and_a_hint_is_none():
    assert changes(a_report(), a_report(a_finding(severity="info")))[0]
    assert changes(a_report(), a_report(a_finding(code="CD504", severity="info"))) == ([], [])


@dataclass(frozen=True)
class Call:
    """Of an AttentionEntry, what a baseline keeps."""

    verdict: str
    location: Location
    api: str = "flex_attention"
    implementation: str | None = None


def a_call(verdict, line=5, function="Model.forward"):
    return Call(verdict, Location("model.py", line, function))


def test_a_verdict_that_got_worse_names_the_line():
    worse, better = changes(a_report(attention=(a_call("fused"),)), a_report(attention=(a_call("dense", 7),)))
    assert worse == ["attention in Model.forward (model.py:7) is dense, was fused"] and not better
    assert changes(a_report(attention=(a_call("dense"),)), a_report(attention=(a_call("fused"),)))[1]
    worse, _ = changes(
        a_report(attention=(a_call("fused"),)), a_report(attention=(a_call("dense", 4), a_call("fused")))
    )
    assert worse == ["attention in Model.forward (model.py:4) is dense, a new call"]


def test_calls_that_change_places_or_whose_function_is_renamed_are_as_good():
    known = a_report(attention=(a_call("fused", 4), a_call("dense", 5)))
    assert changes(known, a_report(attention=(a_call("dense", 4), a_call("fused", 5)))) == ([], [])
    renamed = tuple(a_call(one.verdict, one.location.line, "Encoder.forward") for one in known.attention)
    assert changes(known, a_report(attention=renamed, sources=SOURCE.replace("Model", "Encoder"))) == ([], [])
    assert len(changes(known, a_report(attention=renamed))[0]) == 1, "Model.forward is still there"


def test_a_renamed_function_excuses_no_second_one():
    known = a_report(attention=(a_call("dense", 4),))
    sources = "class Encoder:\n    def forward(self, x):\n        pass\n\n\ndef helper(x):\n    return x\n"
    both = (a_call("dense", 2, "Encoder.forward"), a_call("dense", 7, "helper"))
    worse, _ = changes(known, a_report(attention=both, sources=sources))
    assert worse == ["attention in helper (model.py:7) is dense, a new call"]


def test_a_waived_dense_fallback_excuses_the_verdict():
    before, after = (
        a_report(attention=(a_call("fused"),)),
        a_report(a_finding(code="CD301"), attention=(a_call("dense"),)),
    )
    assert len(changes(before, after)[0]) == 2
    assert changes(before, after, waived=lambda finding: "known") == ([], [])
    worse, _ = changes(before, replace(after, findings=(a_finding(),)), waived=lambda finding: "known")
    assert worse == ["attention in Model.forward (model.py:5) is dense, was fused"], (
        "a waived print says nothing about it"
    )


def test_a_function_that_calls_attention_no_longer_is_told():
    """Its scores may be written out by hand now, and nothing else would say so."""
    fused, gone = a_report(attention=(a_call("fused"),)), a_report()
    worse, _ = changes(fused, gone)
    assert worse == [
        "Model.forward (model.py) no longer calls flex_attention, which was fused: it is unknown what computes it now"
    ]
    assert changes(fused, a_report(sources="")) == ([], []), "the function is gone too"
    assert changes(a_report(attention=(a_call("dense"),)), gone) == ([], []), "there was nothing to lose"
    moved = replace(a_call("fused"), location=Location("model.py", 6, "helper"))
    assert changes(fused, a_report(attention=(moved,))) == ([], [])
    other = replace(a_call("fused"), api="sdpa")
    assert changes(fused, a_report(attention=(other,))) == ([], [])
