"""Attention in the report: exit codes, findings that were asked for, the table and the JSON entries."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MODEL, compilation
from test_attention import FAR, SCORES, dense_call, in_graph, node, qkv, sdpa_ran, watched
from test_ladder import dense, fused, not_run, unproven

from compile_doctor.capture import load_capture
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence, Facts
from compile_doctor.model.sizes import human
from compile_doctor.model.stacks import Frame
from compile_doctor.render import renderer
from compile_doctor.render.consequence import consequence
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

RECORDED = Path(__file__).parent / "evidence" / "2.13.0"
FUSED = watched(in_graph(node()))
DENSE = watched(compilation(), dense=(dense_call(),), window="7:dense:0", peak=5 * SCORES)
MIXED = watched(in_graph(node()), dense=(dense_call(),))
UNVERIFIED = watched(in_graph(node()), peak=5 * SCORES, largest=5 * SCORES)
BOTH = watched(in_graph(node(line=7)), dense=(dense_call(line=9),))
NONE = watched(in_graph())
# the contract's names, in its order
KEYS = [
    "location", "api", "verdict", "kernel", "backend", "tokens", "q_shape", "kv_shape", "dtype",
    "peak_bytes", "dense_bytes", "evidence", "reason",
]  # fmt: skip


def asked(evidence: Evidence, **options):
    return replace(evidence, asked=replace(evidence.asked, options=Settings(**options)))


def climbed(*rungs, **options):
    """The evidence of a ladder, as it is read back."""
    last = [rung.evidence for rung in rungs if rung.evidence][-1]
    return replace(asked(last, tokens=rungs[-1].tokens, **options), rungs=rungs)


def codes(evidence):
    return [finding.code for finding in make_report(evidence).findings]


def text(evidence, verbosity=0):
    return renderer("text")(make_report(evidence), verbosity)


def table(evidence, verbosity=0):
    """The lines of the table, its head first, up to the empty line behind it."""
    lines = text(evidence, verbosity).split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("Attention "))
    return lines[start : lines.index("", start)]


def cells(line):
    return re.split(r" {2,}", line.strip())


def as_json(evidence):
    return json.loads(renderer("json")(make_report(evidence)))


# --require-fused


@pytest.mark.parametrize(
    ("found", "plain", "required"),
    [
        (FUSED, 0, 0),
        (DENSE, 1, 1),
        (MIXED, 1, 1),
        (BOTH, 1, 1),
        (UNVERIFIED, 0, 3),
        (NONE, 0, 3),
        (watched(compilation(), eager_sdpa=(sdpa_ran(),)), 0, 0),
    ],
    ids=["fused", "dense", "mixed", "one of two", "unverified", "no attention", "sdpa"],
)
def test_require_fused(found, plain, required):
    assert exit_code(make_report(found), "error") == plain
    assert exit_code(make_report(asked(found, require_fused=True)), "error") == required


@pytest.mark.parametrize(("found", "code"), [(DENSE, 1), (UNVERIFIED, 3), (FUSED, 0)])
def test_require_fused_holds_whatever_fail_on_says(found, code):
    assert exit_code(make_report(asked(found, require_fused=True)), "never") == code
    assert exit_code(make_report(found), "never") == 0


def test_one_unverified_call_among_fused_ones_is_no_proof():
    second = in_graph(node(line=9), number=2)
    found = asked(watched(in_graph(node()), second), require_fused=True)  # no memory was measured of the second
    assert [entry.verdict for entry in make_report(found).attention] == ["fused", "unverified"]
    assert exit_code(make_report(found), "error") == 3


def test_fused_below_the_size_that_was_asked_for_is_no_proof():
    reached = climbed(fused(256), fused(1024), require_fused=True)
    assert exit_code(make_report(reached), "error") == 0
    below = climbed(fused(256), fused(1024), not_run(4096), require_fused=True)
    assert [entry.verdict for entry in make_report(below).attention] == ["fused"]
    assert exit_code(make_report(below), "error") == 3


# CD501


def test_unverified_is_a_finding_only_where_a_proof_was_asked_for():
    assert codes(UNVERIFIED) == []
    assert codes(asked(UNVERIFIED, tokens=512)) == ["CD501"]
    assert codes(asked(UNVERIFIED, require_fused=True)) == ["CD501"]
    assert codes(asked(FUSED, tokens=512, require_fused=True)) == []
    assert "CD501" not in codes(asked(DENSE, require_fused=True))


def test_unverified_says_why_and_what_to_do():
    (finding,) = make_report(asked(UNVERIFIED, tokens=512)).findings
    assert finding.title == "Not proven to be fused at 512 tokens"
    assert "as much memory as the scores would" in finding.message
    assert finding.fix.startswith("Diagnose with more tokens than 512")
    (finding,) = make_report(asked(UNVERIFIED, require_fused=True)).findings
    assert "--tokens" in finding.fix
    assert finding.location.line == 7


def test_unverified_for_want_of_inductor_says_so():
    found = watched(in_graph(node(), backend="eager", kernels=None), options={"backend": "eager", "tokens": 512})
    (finding,) = make_report(found).findings
    assert finding.fix.startswith("Run diagnose without --backend")


def test_a_size_that_was_not_reached_is_unverified():
    (finding,) = make_report(climbed(fused(256), not_run(1024))).findings
    assert (finding.code, "was not run" in finding.message) == ("CD501", True)


# CD502 and CD301


def test_a_fused_kernel_in_quadratic_memory():
    found = climbed(unproven(256), unproven(1024))
    report = make_report(found)
    finding = report.findings[0]
    assert (finding.code, finding.severity, report.verdict) == ("CD502", "error", "unhealthy")
    assert "2.0th power" in finding.message


def test_a_dense_call_is_told_with_its_size_and_count():
    (finding,) = make_report(DENSE).findings
    assert (finding.code, finding.count, finding.location.line) == ("CD301", 1, 7)
    assert human(5 * SCORES) in finding.message


# JSON


@pytest.mark.parametrize("found", [FUSED, DENSE, UNVERIFIED, climbed(fused(256), not_run(1024))])
def test_an_entry_has_all_keys_of_the_contract(found):
    (entry,) = as_json(found)["attention"]
    assert [key for key in entry if key in KEYS] == KEYS
    assert set(entry["location"]) >= {"file", "line", "function"}
    assert set(entry["evidence"]) == {"lowered", "executed", "bounded"}
    assert entry["location"]["file"] == MODEL


def test_a_fused_entry():
    (entry,) = as_json(FUSED)["attention"]
    assert {key: entry[key] for key in KEYS if key != "location"} == {
        "api": "flex_attention",
        "verdict": "fused",
        "kernel": "cpp_fused_flex_attention_0",
        "backend": "inductor",
        "tokens": 512,
        "q_shape": [1, 2, 512, 32],
        "kv_shape": [1, 2, 512, 32],
        "dtype": "float32",
        "peak_bytes": FAR,
        "dense_bytes": SCORES,
        "evidence": {"lowered": True, "executed": True, "bounded": True},
        "reason": "",
    }
    assert (entry["owner"], entry["device"]) == ("mine", "cpu")


def test_an_entry_that_is_not_fused_has_its_reasons():
    for found in (DENSE, MIXED, UNVERIFIED):
        (entry,) = as_json(found)["attention"]
        assert entry["reason"] == "; ".join(entry["reasons"].values()) != ""
        assert all(entry["evidence"][name] is not True for name in entry["reasons"])


def test_a_fused_entry_needs_no_reason_even_without_generated_code():
    (entry,) = as_json(watched(compilation(), eager_sdpa=(sdpa_ran(),)))["attention"]
    assert (entry["verdict"], entry["reason"], list(entry["reasons"])) == ("fused", "", ["lowered"])


def test_null_is_what_could_not_be_checked():
    unmeasured = watched(in_graph(node(inputs=(None, None, None)), kernels=None), peak=None)
    (entry,) = as_json(unmeasured)["attention"]
    assert [entry[key] for key in ("kernel", "tokens", "q_shape", "kv_shape", "dtype", "peak_bytes")] == [None] * 6
    assert (entry["evidence"]["lowered"], entry["evidence"]["bounded"]) == (None, None)


def test_the_ladder_of_an_entry():
    (entry,) = as_json(climbed(fused(256), fused(1024), not_run(4096, "no room")))["attention"]
    assert [(step["tokens"], step["ran"], step["reason"]) for step in entry["ladder"]] == [
        (256, True, ""),
        (1024, True, ""),
        (4096, False, "no room"),
    ]
    assert [step["peak_bytes"] for step in entry["ladder"]] == [256 * 256, 1024 * 256, None]
    assert [step["fused_bytes"] for step in entry["ladder"]] == [256 * 256, 1024 * 256, 4096 * 256]


def test_paths_of_an_entry_are_relative_to_where_it_ran():
    found = replace(FUSED, asked=replace(FUSED.asked, cwd="/work/project"))
    assert as_json(found)["attention"][0]["location"]["file"] == "model.py"


def test_no_attention_is_an_empty_list():
    assert as_json(NONE)["attention"] == []


# text


def test_no_attention_no_table():
    assert "Attention" not in text(NONE)


def test_the_head_and_a_row():
    head, row, legend = table(FUSED)
    assert legend.startswith("dense: all tokens × tokens scores are kept.")
    assert cells(head) == ["Attention", "tokens", "peak memory", "if dense", "if fused", "verdict"]
    assert cells(row)[:4] == [f"{MODEL}:7", "flex", "512", human(FAR)]
    assert cells(row)[-2:] == [human(FAR), "fused"]


def test_the_ladder_is_in_the_table():
    found = table(climbed(dense(256), dense(1024), not_run(4096), not_run(16_384)))[1:5]
    assert [cells(line)[-1] for line in found] == ["dense", "dense", "dense (from growth)", "dense (from growth)"]
    assert [cells(line)[0 if number else 2] for number, line in enumerate(found)] == ["256", "1,024", "4,096", "16,384"]
    assert ["not run" in line for line in found] == [False, False, True, True]
    assert human(4 * 2 * 16_384**2 * 4) in found[-1]


def test_columns_stand_below_each_other():
    lines = table(climbed(fused(256), fused(1024), not_run(4096)))
    end = lines[0].index("tokens") + len("tokens")
    assert [line[:end].split()[-1] for line in lines[1:4]] == ["256", "1,024", "4,096"]
    verdict = lines[0].index("verdict")
    assert [line[verdict - 1 :] for line in lines[1:4]] == [" fused", " fused", " not run"]


def test_a_long_name_is_cut_at_its_start_and_keeps_the_columns():
    package = Frame("/venv/site-packages/lib/" + "deep/" * 20 + "layer.py", 1234, "attend")
    head, row, _ = table(watched(in_graph(node(stack=(package,)))))
    assert row.startswith("…")
    assert "layer.py:1234  flex  " in row
    assert row.index("512") + 3 == head.index("tokens") + len("tokens")


def test_verbose_shows_reasons_below_a_call_that_is_not_fused_in_narrow_lines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    lines = table(UNVERIFIED, 1)[2:-2]
    assert " ".join(" ".join(lines).split()).startswith("bounded: at 512 tokens what surrounds the attention")
    assert all(line.startswith("    ") and len(line) <= 70 for line in lines)
    assert len(lines) > 1


def test_a_reason_that_is_a_finding_is_not_said_again():
    shown = text(climbed(unproven(256), unproven(1024)))
    assert "CD502" in shown
    assert shown.count("2.0th power") == 1
    assert text(climbed(unproven(256), unproven(1024)), 1).count("2.0th power") > 1


def test_what_nobody_asked_to_prove_is_one_quiet_line():
    shown = text(UNVERIFIED)
    assert "HEALTHY" in shown
    assert "unverified" not in shown
    line = f"Not known whether attention is fused at {MODEL}:7 flex: at 512 tokens what surrounds the attention"
    assert line in " ".join(shown.split())
    assert "run diagnose with --tokens N" in " ".join(shown.split())
    for found in (asked(UNVERIFIED, tokens=512), asked(UNVERIFIED, require_fused=True)):
        assert re.search(r"\bunverified$", text(found), re.MULTILINE)
        assert "Not known" not in text(found)


def test_the_quiet_line_is_one_for_calls_with_the_same_reason():
    calls = (in_graph(node(line=10 + number), number=number + 1) for number in range(7))
    shown = " ".join(text(watched(*calls, peak=None)).split())
    assert shown.count("Not known whether attention is fused") == 1
    assert f"{MODEL}:10 flex, {MODEL}:11 flex, {MODEL}:12 flex and 4 more: " in shown


@pytest.mark.parametrize(("count", "rows", "more"), [(6, 6, ""), (7, 6, "and 1 more   (-v shows all)"), (40, 6, "34")])
def test_many_calls_are_folded(count, rows, more):
    found = watched(*(in_graph(node(line=10 + number), number=number + 1) for number in range(count)))
    found = asked(found, tokens=512)
    shown = text(found)
    assert len(re.findall(r"model\.py:\d+  flex", shown)) == rows
    assert ("more   (-v shows all)" in shown) == bool(more)
    assert more in shown
    assert len(re.findall(r"model\.py:\d+  flex", text(found, 1))) == count


def test_verbose_shows_the_pieces():
    shown = "\n".join(table(FUSED, 1))
    assert "lowered yes, executed yes, bounded yes · cpp · kernel cpp_fused_flex_attention_0" in shown
    assert "query [1, 2, 512, 32] float32" in shown
    assert "bounded not known" in "\n".join(table(UNVERIFIED, 1))
    assert "lowered" not in "\n".join(table(FUSED))


def test_sdpa_is_named_with_its_backend():
    assert f"{MODEL}:7  sdpa (flash)" in table(watched(compilation(), eager_sdpa=(sdpa_ran(),)))[1]


def test_the_first_sentence():
    assert consequence(make_report(FUSED)).startswith("Attention is fused at 512 tokens; 1 graph compiled")
    assert "fused" not in consequence(make_report(UNVERIFIED))
    ladder = climbed(dense(256), dense(1024), not_run(4096))
    needed = human(16 * 4 * 2 * 1024**2 * 4)
    assert consequence(make_report(ladder)) == f"Attention runs dense: 4,096 tokens would take {needed}."
    assert consequence(make_report(DENSE)) == f"Attention runs dense: 512 tokens take {human(5 * SCORES)}."
    assert consequence(make_report(BOTH)).startswith("Attention runs dense at 1 line: 512 tokens would take ")


def test_float8_layers_before_plain_attention_are_no_conflict():
    layers = Facts(float8_layers=("blocks.0.q", "blocks.0.k", "blocks.0.v", "blocks.0.o"))
    (note,) = make_report(replace(FUSED, facts=layers)).notes
    assert note.startswith("the model has float8 layers (4: blocks.0.q, blocks.0.k, blocks.0.v, …), which is fine")
    assert note in text(replace(FUSED, facts=layers))
    eight = watched(in_graph(node(inputs=qkv(dtype="float8_e4m3fn"))))
    assert make_report(replace(eight, facts=layers)).notes == ()


def test_an_unwatched_trace_lists_what_was_not_checked():
    bare = watched(in_graph(node()), watched=False, runs=0, peak=None)
    assert {"CD301", "CD502"} <= {code for code, _ in make_report(bare).skipped_checks}
    assert {"CD301", "CD502"}.isdisjoint(code for code, _ in make_report(FUSED).skipped_checks)


@pytest.mark.parametrize(
    ("name", "code"),
    [("attn-flex-alone", 0), ("attn-two-sites", 1), ("attn-multihead-module", 3), ("attn-handwritten", 3)],
)
def test_require_fused_on_recordings(name, code):
    found = load_capture(RECORDED / f"{name}.zip")
    options = replace(found.asked.settings, require_fused=True)
    required = replace(found, asked=replace(found.asked, options=options))
    assert exit_code(make_report(required), "error") == code


@pytest.mark.parametrize("name", ["cd502-silent", "attn-two-sites", "attn-linear-query-defect", "attn-sdpa-dropout"])
def test_recordings_in_both_formats(name):
    found = load_capture(RECORDED / f"{name}.zip")
    report = make_report(found)
    assert [reason for _, reason in report.skipped_checks if "it failed" in reason] == []
    for verbosity in (0, 1):
        assert all(f":{entry.location.line} " in text(found, verbosity) for entry in report.attention)
    assert len(as_json(found)["attention"]) == len(report.attention)
