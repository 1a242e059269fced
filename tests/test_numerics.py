"""What is close enough, what CD601 and CD602 say of it, and parity's cells; from evidence made by hand, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from helpers import DONE, MODEL, about, evidence, failure, write_capture

from compile_doctor.analysis.numerics.statuses import judged
from compile_doctor.capture import load_capture
from compile_doctor.cli import parity_model
from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.model.comparisons import Compared, Comparison, Explained, Positions
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame
from compile_doctor.model.tolerances import STEPS, coarsest, judge, status, tolerance
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code
from compile_doctor.run.launch import Settings
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target

STEP = STEPS["float32"]


def row(**values: object) -> Compared:
    base: dict[str, object] = {"name": "output", "dtype": "float32", "error": 0.0, "scale": 1.0, "relative": 0.0}
    return Compared(**{**base, **values})  # type: ignore[arg-type]


def comparison(*rows: Compared, **values: object) -> Comparison:
    base: dict[str, object] = {
        "case": "compiled-vs-eager",
        "direction": "forward",
        "implementation": "inductor",
        "dtype": "float32",
        "compared": len(rows),
    }
    return Comparison(**{**base, "rows": rows, **values})  # type: ignore[arg-type]


def decoded(chunk: int, first: int | None = None, **values: object) -> Comparison:
    """Eager decoding in chunks; wrong from position `first` on."""
    wrong = row(error=1.0 if first is not None else 0.0, eager_error=1e-6)
    positions = Positions(chunk, 12, 12 - first, first) if first is not None else None
    return comparison(wrong, case=f"chunk-{chunk}", implementation="eager", **{"positions": positions, **values})


def findings(*comparisons: Comparison, **values: object):
    report = make_report(evidence(comparisons=comparisons, **values))
    return [finding for finding in report.findings if finding.code in ("CD601", "CD602")]


# ---------------------------------------------------------------- tolerances


@pytest.mark.parametrize(
    ("values", "depth", "expected"),
    [
        ({"error": 8 * STEP, "eager_error": 0.0}, 1, "PASS"),
        ({"error": 9 * STEP, "eager_error": 0.0}, 1, "FAIL"),
        ({"error": 3e-4 + 8 * STEP, "eager_error": 1e-4}, 1, "PASS"),
        ({"error": 9e-4, "eager_error": 1e-4}, 1, "DRIFT"),
        ({"error": 1.1e-3, "eager_error": 1e-4}, 1, "FAIL"),
        ({"error": 1.1e-3, "eager_error": 1e-4, "noise": 3e-4}, 1, "DRIFT"),
        ({"error": 1.3e-3, "eager_error": 1e-4, "noise": 3e-4}, 1, "FAIL"),
        ({"error": 30 * STEP}, 16, "PASS"),  # no float64 run: with the root of the depth
        ({"error": 33 * STEP}, 16, "FAIL"),
        ({"error": 30 * STEP, "eager_error": 0.0}, 16, "FAIL"),  # with one, the depth does not count
        ({"error": 2 * STEPS["bfloat16"], "eager_error": 0.0, "dtype": "bfloat16"}, 1, "PASS"),
        ({"error": 3 * STEPS["bfloat16"], "eager_error": 0.0, "dtype": "bfloat16"}, 1, "FAIL"),
        ({"error": 80 * STEP, "eager_error": 0.0, "scale": 10.0}, 1, "PASS"),
        ({"error": 1.0, "exact": True}, 1, "FAIL"),
        ({"error": 0.0, "exact": True}, 1, "PASS"),
        ({"error": 3.0, "eager_error": 1.0, "exact": True}, 1, "PASS"),
        ({"error": None, "note": "NaN"}, 1, "FAIL"),
    ],
)
def test_how_far_is_too_far(values, depth, expected):
    assert status(row(**values), depth) == expected


def test_the_worst_row_judges_and_no_row_is_no_pass():
    assert judge(comparison(row(), row(error=1.0))) == "FAIL"
    assert judge(comparison(row())) == "PASS"
    assert judge(comparison()) == "N/A"
    assert judge(comparison(state="UNSUPPORTED")) == "UNSUPPORTED"


def test_the_coarsest_dtype_counts_and_integers_have_none():
    assert coarsest(["float64", "bfloat16", "float32", "int64"]) == "bfloat16"
    assert coarsest(["int64"]) == "float32"


def test_a_comparison_survives_the_capture(tmp_path):
    explained = Explained("arange", Frame(MODEL, 6, "forward"), 4)
    made = decoded(4, 4, explained=explained, notes=("in eval mode",), reason="")
    event = {"event": "compared", **asdict(made)}
    event["explained"]["frame"] = [MODEL, 6, "forward", ""]
    folder = write_capture(tmp_path / "capture", events=[json.loads(json.dumps(event))])
    assert load_capture(folder).comparisons == (made,)


# ---------------------------------------------------------------- CD601


def test_cd601_takes_the_exact_comparison_where_there_is_one():
    rough = {"max_difference": 0.5, **about(largest_output=1.0)}
    assert [one.code for one in findings(**rough)] == ["CD601"]
    assert findings(comparison(row()), **rough) == []
    (found,) = findings(comparison(row(error=1e-3, eager_error=1e-7)), max_difference=1e-3)
    assert "0.001 from float64, eager up to 1e-07, tolerance 1.3e-06" in found.message


def test_cd601_names_the_gradient_with_the_largest_relative_difference():
    large = row(name="gradient of a.weight", error=2.0, scale=100.0, relative=0.02)
    small = row(name="gradient of b.weight", error=1.0, scale=1.0, relative=0.9)
    fine = row(name="gradient of c.weight")
    (found,) = findings(comparison(row()), comparison(large, small, fine, direction="backward"))
    assert found.title == "Compiled and eager give different gradients"
    assert found.message.startswith("`gradient of b.weight`")
    assert found.cause == "numerics:gradients"
    assert "compiled-vs-eager, backward: 2 of 3 tensors differ" in found.evidence


def test_cd601_is_one_finding_however_much_differs():
    state = comparison(row(name="bn.running_mean", error=1.0), case="state-after")
    (found,) = findings(comparison(row(error=1.0)), comparison(row(error=1.0), direction="backward"), state)
    assert (found.cause, len([line for line in found.evidence if "tensors differ" in line])) == ("numerics", 3)
    (found,) = findings(comparison(row()), state)
    assert (found.title, found.cause) == ("Compiled and eager give different state", "numerics:state")


def test_compiled_decoding_that_differs_is_cd601_and_eager_decoding_cd602():
    (found,) = findings(comparison(row(error=1.0), case="chunk-4"))
    assert (found.code, found.cause) == ("CD601", "numerics:decoding")
    assert [one.code for one in findings(decoded(4, 4))] == ["CD602"]
    assert findings(decoded(4), decoded(1)) == []


# ---------------------------------------------------------------- CD602


def test_cd602_names_the_first_position_and_no_cause_that_was_not_shown():
    (found,) = findings(decoded(4, 4), decoded(1, 1))
    assert found.title == "Decoding with the cache differs from the full run"
    assert "position 1 is the first that differs" in found.message
    assert found.message.endswith("Chunks of 4 differ too.")
    assert "offset" not in found.title + found.message + found.cause
    assert found.location is None


def test_cd602_says_position_offset_where_a_shifted_call_explains_it():
    explained = Explained("arange", Frame(MODEL, 6, "forward"), 4)
    (found,) = findings(decoded(1, 1), decoded(4, 4, explained=explained))
    assert found.title.startswith("Position offset")
    assert (found.location.line, found.location.function) == (6, "Model.forward")
    assert any("the result equals full()" in line for line in found.evidence)


@pytest.mark.parametrize(
    ("kind", "words"), [("write", "overwritten"), ("causal", "top left"), ("triangle", "top left")]
)
def test_cd602_says_what_else_was_tried_and_helped(kind, words):
    explained = Explained(kind, Frame(MODEL, 6, "forward"), 4)
    (found,) = findings(decoded(4, 4, explained=explained))
    assert words in found.title
    assert found.cause == f"decode:{kind}"


@pytest.mark.parametrize("kind", ["arange", "slice", "write", "triangle"])
def test_cd602_says_off_by_one_where_moving_a_call_by_one_explains_it(kind):
    explained = Explained(kind, Frame(MODEL, 6, "forward"), 4, by=-1)
    (found,) = findings(decoded(4, 4, explained=explained))
    assert found.title.startswith("Position offset: off by one where")
    assert found.cause == f"decode:{kind}:off-by-one"
    assert any("moved by -1: the result equals full()" in line and "model.py:6" in line for line in found.evidence)


def test_cd602_says_position_offset_where_every_chunk_has_the_same_shift():
    shifted = {chunk: Positions(chunk, 12, 12, 0, shift) for chunk, shift in ((1, 2), (4, 2))}
    (found,) = findings(*(decoded(chunk, 0, positions=at) for chunk, at in shifted.items()))
    assert found.title == "Position offset: the decoded output is shifted by 2 positions"
    other = replace(shifted[4], shift=3)
    (found,) = findings(decoded(1, 0, positions=shifted[1]), decoded(4, 0, positions=other))
    assert "offset" not in found.title


# ---------------------------------------------------------------- the report, and parity's cells


def test_the_report_has_every_comparison_and_says_what_was_not_compared():
    raised = comparison(case="chunk-4", implementation="eager", state="UNSUPPORTED", reason="NotImplementedError: no")
    report = make_report(evidence(comparisons=(comparison(row()), raised)))
    assert [(one.case, one.status) for one in report.numerics] == [
        ("compiled-vs-eager", "PASS"),
        ("chunk-4", "UNSUPPORTED"),
    ]
    assert ("CD602", "chunk-4, forward: NotImplementedError: no") in report.skipped_checks


def test_a_comparison_that_was_cut_off_is_no_pass():
    report = make_report(evidence(phases={**DONE, "numerics": "begun"}))
    assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3)


def test_decoding_is_listed_by_size_behind_the_model():
    order = [one.case for one in judged([decoded(12), decoded(4), decoded(1), comparison(row())])]
    assert order == ["compiled-vs-eager", "chunk-1", "chunk-4", "chunk-12"]


@pytest.fixture
def parity(monkeypatch):
    """`parity` of a target whose diagnoses gave these, one after the other."""

    def run(*seen: Evidence, grad: bool | None = False):
        asked = []
        left = iter(seen)

        def one_size(target, settings, *_):
            asked.append(settings.grad)
            return next(left)

        monkeypatch.setattr(parity_model, "one_size", one_size)
        found = parity_model.model_parity(Target("model.py"), Settings(), grad, Progress(True))
        return found, asked

    return run


def test_cells_of_a_model_that_is_right(parity):
    found, asked = parity(evidence(comparisons=(comparison(row()), decoded(4))))
    assert [(cell.case, cell.implementation, cell.status) for cell in found.cells] == [
        ("compiled-vs-eager", "inductor", "PASS"),
        ("chunk-4", "eager", "PASS"),
    ]
    assert (found.exit_code, asked) == (0, [False])
    assert found.cells[0].tolerance == tolerance(row(), 1)


def test_cells_of_a_model_that_is_wrong(parity):
    found, _ = parity(evidence(comparisons=(comparison(row()), decoded(4, 4))))
    assert [finding.code for finding in found.findings] == ["CD602"]
    assert found.cells[-1].reason == "first differs at position 4"
    assert found.exit_code == 1


def test_a_model_that_does_not_compile_is_no_pass(parity):
    broken = evidence(failures=(failure("compiled"),), phases={**DONE, "compiled": "failed"}, comparisons=(decoded(4),))
    found, _ = parity(broken)
    assert (found.cells[0].status, found.exit_code) == ("FAIL", 1)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"failures": (failure("compiled"), failure("eager")), "phases": {**DONE, "eager": "failed"}}, 3),
        ({"compilations": ()}, 3),
        ({"failures": (failure("import"),), "phases": {"import": "failed"}, "compilations": ()}, 2),
    ],
)
def test_what_cannot_be_run_is_an_error(parity, values, code):
    with pytest.raises((UsageError, InconclusiveError)) as error:
        parity(evidence(**values))
    assert error.value.exit_code == code


def test_without_gradients_where_they_cannot_be_had(parity):
    refusal = failure("compiled", "NotImplementedError", "no backward on CPU")
    failed = evidence(failures=(refusal,), phases={**DONE, "compiled": "failed"})
    found, asked = parity(failed, evidence(comparisons=(comparison(row()),)), grad=None)
    assert asked == [True, False]
    assert [(cell.direction, cell.status) for cell in found.cells] == [("forward", "PASS"), ("backward", "UNSUPPORTED")]
    assert "no backward on CPU" in (found.cells[1].reason or "")
    _, asked = parity(failed, grad=True)
    assert asked == [True]
