"""The parts of `parity` that need no torch: what a target is, the table, the reasons, exit codes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render import parity_renderer
from compile_doctor.render.parity import columns, reasons, sections
from compile_doctor.targets.signature import attention_function, why_none
from compile_doctor.targets.target import Target

ENVIRONMENT = {"torch": "2.13.0", "device": "cpu"}


def cell(
    case="causal", heads="mha", implementation="sdpa-math", status="PASS", error=1e-7, reason=None, direction="forward"
):
    computed = status in ("PASS", "DRIFT", "FAIL")
    return Cell(case, heads, "float32", direction, implementation, status, error if computed else None, 1e-6, reason)


def parity(*cells, **more):
    return Parity("suite", ENVIRONMENT, cells, **more)


@pytest.mark.parametrize(
    ("source", "attr", "name"),
    [
        ("def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None): ...", None, "attention"),
        ("def mine(query, key, value, score_mod=None, mask_mod=None): ...", "mine", "mine"),
        ("@fast\ndef mine(q, k, v, *, mask_mod, score_mod, scale): ...", "mine", "mine"),
        ("def attention(q, k, v): ...", None, None),
        ("def other(q, k, v, *, mask_mod=None, score_mod=None): ...", None, None),
        ("class Model: ...", "Model", None),
        ("def broken(", "broken", None),
    ],
)
def test_an_attention_function_is_known_by_its_parameters(tmp_path, source, attr, name):
    file = tmp_path / "mine.py"
    file.write_text(source, encoding="utf-8")
    found = attention_function(Target("mine.py", path=file, attr=attr))
    assert (found.attr if found else None) == name


@pytest.mark.parametrize(
    ("source", "attr", "why"),
    [
        (
            "def mine(q, k, v, *, mask_mod=None, score_mod=None): ...",
            None,
            "It has attention functions: name one, as in mine.py:mine.",
        ),
        ("def mine(q, k, v, mask=None): ...", "mine", "An attention function takes q, k, v, mask_mod=None"),
        ("def mine(q, k, v): ...\ndef example_inputs(): ...", "mine", ""),
        ("def mine(q, k, v, mask_mod, score_mod): ...\ndef example_inputs(): ...\nclass Model: ...", None, ""),
        ("class Model: ...", "Model", ""),
        ("def mine(q): ...", "nine", "'nine' does not occur in it. Did you mean mine?"),
    ],
)
def test_why_a_target_is_none(tmp_path, source, attr, why):
    file = tmp_path / "mine.py"
    file.write_text(source, encoding="utf-8")
    found = why_none(Target("mine.py", path=file, attr=attr))
    assert found.startswith(why) if why else found == ""


def test_a_dotted_target_is_found_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "mine.py").write_text(
        "raise SystemExit\ndef attention(q, k, v, mask_mod=None, score_mod=None): ...", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert attention_function(Target("pack.mine:attention", module="pack.mine", attr="attention")) is not None
    assert attention_function(Target("pack.gone:attention", module="pack.gone", attr="attention")) is None


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["PASS", "UNSUPPORTED"], 0),
        (["DRIFT"], 0),
        (["PASS", "FAIL"], 1),
        (["UNSUPPORTED", "N/A"], 3),
        ([], 3),
    ],
)
def test_exit_codes(statuses, code):
    assert parity(*(cell(status=status) for status in statuses)).exit_code == code


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (["PASS", "UNSUPPORTED"], "The one comparison is right."),
        (["DRIFT"], "The one comparison is right, with a drift."),
        (["PASS", "DRIFT"], "All 2 comparisons are right, 1 of them with a drift."),
    ],
)
def test_what_the_verdict_means(statuses, words):
    assert words in parity_renderer("text")(parity(*(cell(status=status) for status in statuses)))


def test_a_known_defect_is_shown_and_fails_nothing():
    known = replace(cell("narrow-heads", status="FAIL", error=1.0, reason="the output differs"), known="some-recipe")
    found = parity(cell(), known)
    assert found.exit_code == 0 and parity(known).exit_code == 3
    assert parity(cell(), known, cell("causal", status="FAIL", reason="x")).exit_code == 1
    text = parity_renderer("text")(found)
    assert "1 of 2 comparisons are right; 1 fails because of a known defect of this torch." in text
    assert "KNOWN" in text and "some-recipe" in text and "FAIL" not in text
    assert "**KNOWN**" in parity_renderer("markdown")(found)
    assert [one["status"] for one in json.loads(parity_renderer("json")(found))["cells"]] == ["PASS", "FAIL"]


def test_a_known_defect_without_a_patch_is_not_promised_one():
    known = replace(cell("left-padding", status="FAIL", error=1.0, reason="infinite"), known="cudnn-sdpa-nan")
    text = " ".join(parity_renderer("text")(parity(cell(), known)).split())
    assert "compile-doctor explain cudnn-sdpa-nan" in text and "--patches auto" not in text


def test_a_compilation_that_fails_by_a_known_defect_is_shown_as_one():
    known = replace(cell("causal", status="UNSUPPORTED", reason="C++ compiler: expected }"), known="some-recipe")
    text = parity_renderer("text")(parity(cell(), known))
    assert "1 of 2 comparisons are right; 1 fails because of a known defect of this torch." in text
    assert "some-recipe, a defect of this torch, fixed by --patches auto: C++" in " ".join(text.split())
    assert parity(known).exit_code == 3  # nothing ran


def test_heads_that_came_out_alike_share_a_row():
    found = parity(cell(heads="mha"), cell(heads="gqa", status="FAIL", error=0.5), cell(heads="mqa"))
    (section,) = sections(found, merged=True)
    assert [row.heads for row in section.rows] == ["mha mqa", "gqa"]
    assert [row.heads for row in sections(found, merged=False)[0].rows] == ["mha", "gqa", "mqa"]


def test_a_column_of_nothing_is_left_out_and_its_reason_is_not():
    found = parity(cell(), cell(implementation="sdpa-cudnn", status="N/A", reason="not available on cpu"))
    assert columns(found) == ("sdpa-math",)
    text = parity_renderer("text")(found)
    assert "cudnn" not in text.partition("N/A")[0]
    assert "not available on cpu" in text


def test_each_reason_is_told_once_worst_first():
    refused = [cell(case=f"case-{n}", status="UNSUPPORTED", reason="no masks") for n in range(5)]
    found = parity(*refused, cell(case="bad", status="FAIL", error=1.0, reason="wrong keys"))
    assert [(one.status, len(one.cells)) for one in reasons(found)] == [("FAIL", 1), ("UNSUPPORTED", 5)]
    text = parity_renderer("text")(found)
    assert text.count("no masks") == 1
    assert "5 cases float32 forward (5 cells)" in text


def test_figures_are_shown_where_they_matter():
    found = parity(cell(error=3e-7), cell(case="b", status="DRIFT", error=2e-2, reason="within 3e-02"))
    short, long = parity_renderer("text")(found), parity_renderer("text")(found, 1)
    assert "DRIFT 2e-02" in short
    assert "3e-07" not in short
    assert "PASS 3e-07" in long


def test_a_wide_table_fits_into_120_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    names = ("flex-eager", "flex-compiled", "sdpa-math", "sdpa-flash", "sdpa-efficient", "sdpa-cudnn", "sdpa-compiled")
    found = parity(*(cell("static-cache-decode", "mha", name, "UNSUPPORTED", reason="x" * 300) for name in names))
    assert max(map(len, parity_renderer("text")(found).splitlines())) <= 120


def test_the_document_is_the_contracts():
    found = json.loads(parity_renderer("json")(parity(cell(reason="why"))))
    assert found["schema"] == "compile-doctor/parity/1"
    assert found["cells"] == [
        {
            "case": "causal",
            "heads": "mha",
            "dtype": "float32",
            "direction": "forward",
            "implementation": "sdpa-math",
            "status": "PASS",
            "max_error": 1e-7,
            "tolerance": 1e-6,
            "reason": "why",
        }
    ]
    assert found["findings"] == []
