"""The published JSON Schemas: what the documents are is valid, and whatever else is not. No torch, no child process."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from bench_helper import attention_bench
from conftest import ROOT
from helpers import MODEL, SOURCE, a_break, about, evidence

from compile_doctor import schemas
from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.attention.growth import Step
from compile_doctor.analysis.cuda_graph_entries import CudaGraphEntry
from compile_doctor.analysis.numerics.statuses import Judged
from compile_doctor.bench import result as bench_result
from compile_doctor.bench.run import OF_MODELS
from compile_doctor.capture import load_capture
from compile_doctor.cli import main
from compile_doctor.coldstart import result as coldstart_result
from compile_doctor.gate import outcome as gate
from compile_doctor.matrix import result as matrix_result
from compile_doctor.mend import result as fix_result
from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Location
from compile_doctor.model.guards import GuardCost, SlowGuard, TimedGuards
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import CacheAnswer, Span, TimedCompilation, Timeline, Timing
from compile_doctor.parity import result as parity_result
from compile_doctor.render import bench_json, coldstart_json, fix_json, json_format, matrix_json, parity_json
from compile_doctor.render.document import Record, as_dict, as_text
from compile_doctor.report.by_rank import RankRow, RankTable
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.report.trial import Trial
from tools import schemas as writer

NAMES = tuple(schemas.IDENTIFIERS)
RECORDINGS = sorted((ROOT / "tests" / "evidence" / "2.13.0").glob("*.zip"))
VALIDATORS = {name: jsonschema.Draft202012Validator(writer.schema(name)) for name in NAMES}
MAPS = ("environment", "not_recorded", "phases", "timings", "unknown_events", "reasons", "values")
"""Objects with the keys that a run has, and not always the same."""


def valid(name: str, text: str) -> bool:
    """As a strict parser and a validator of others see it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return VALIDATORS[name].is_valid(json.loads(text, parse_constant=refuse))


# ---------------------------------------------------------------- documents in which every key has something to say


def whole_report() -> Report:
    place = Location("/work/project/model.py", 7, "Model.forward", "flex_attention(q, k, v)")
    step = Step(4096, False, 400, 300, 200, "dense (from growth)", "dense at the smaller sizes")
    values: dict[str, Any] = {"kernel": "cpp_fused_0", "backend": "inductor", "tokens": 4096, "dtype": "float32"}
    values["implementation"] = "cpp"
    values |= {"q_shape": (1, 2, 4096, 64), "kv_shape": (1, 2, 4096, 64), "device": "cpu", "peak_bytes": 400}
    values |= {"dense_bytes": 300, "lowered": True, "executed": False, "bounded": False, "reason": "the dense path ran"}
    entry = AttentionEntry(place, "mine", "flex_attention", "dense", **values, reasons={"bounded": "x"}, ladder=(step,))
    report = make_report(evidence(breaks=(a_break(),)))
    finding = replace(report.findings[0], via=place, also=(place,), recipe="flex-autocast")
    recipes = (Patch("flex-autocast", "refused", "it only warns"),)
    trial = Trial(
        recipes,
        ("unhealthy", "healthy"),
        (finding,),
        (finding,),
        (("m.py:7", "dense", "–"),),
        (1e-3, 1e-7),
        (0.5, 0.25),
    )
    numerics = (Judged("chunk-4", "forward", "inductor", "float32", "FAIL", 0.5, 1e-6, "first differs at 4", ("a",)),)
    row = RankRow((0, 1), report.summary, (0.1, 0.2, 0.3), 1, (2, 1), "ended")
    finding = replace(finding, ranks=(0, 1))
    answer = CacheAnswer("fx_graph", "bypass", "fa6t", "Unsupported post grad custom pass", 2.5)
    timing = Timing(10, 2_000_000, (("kernels", 2_000_000),), (Span("compile_file", "kernels", 10, 2_000_000, 0),))
    compiled = TimedCompilation("7", "0/1", Frame(MODEL, 5, "forward", "x"), 1, "x == 2", 1, True, timing, (answer,))
    cost = GuardCost("0/0", 12.5, 30, 2, (SlowGuard("L['x']", "size", 2.5),))
    return replace(
        report,
        guards=(TimedGuards("7", Frame(MODEL, 5, "forward", "x"), cost, 90.0),),
        timelines=(Timeline(0, (compiled,), (), (), rank=1),),
        ranks=RankTable(2, (0, 1), ("node0",), (row,), True),
        reason="It failed.",
        sources={MODEL: SOURCE},
        convention="build_model()",
        environment={"torch": "2.13.0", "threads": 2, "cuda": "13.0", "CXX": "g++"},
        findings=(finding,),
        attention=(entry,),
        memory=((1, 100), (5, -20)),
        cuda_graphs=(CudaGraphEntry("0/0", place, "partly", 2, 1, 4, (("cpu ops", 3, place), ("unknown", 1, None))),),
        skipped_checks=(("CD202", "a bare trace"),),
        unknown_events={"artifact:new": 2},
        disagreements=("3 frames, 2 counted",),
        missing=("the inputs were not made",),
        notes=("a note",),
        patches=recipes,
        trial=trial,
        timings={"compiled": 1.25},
        max_difference=1e-7,
        numerics=numerics,
        not_compared="it draws random numbers",
    )


def whole_coldstart() -> coldstart_result.ColdStart:
    spread = coldstart_result.Spread(1.0, 9.0)
    start = coldstart_result.Started(
        "cold", 8.5, 0.1, 8.0, {"kernels": 8.0}, 2, 1, 1, 2, 3, "It failed.", 3, spread, spread
    )
    graph = coldstart_result.StartedGraph("0/1", Frame(MODEL, 5, "forward", "x"), 8.0, 1.0, "1 miss", "custom pass")
    advice = coldstart_result.Advice("regional", "Compile one block.", 5.0, True, "two starts", spread, 3)
    loss = replace(advice, gain=-5.0, spread=coldstart_result.Spread(-9.0, -1.0))
    findings = whole_report().findings
    values = {"problem": "It failed.", "notes": ("a note",), "busy": "Busy.", "sources": {MODEL: SOURCE}}
    environment = {"torch": "2.13.0", "threads": 2}
    return coldstart_result.ColdStart("model.py", environment, (start,), (graph,), findings, (advice, loss), **values)


def whole_gate() -> gate.Gate:
    report = whole_report()
    changes = (
        gate.Change("finding", "new: CD101", report.findings[0], "until 2.14"),
        gate.Change("graphs", "2, not 1"),
    )
    outcomes = [gate.Outcome(s, s, "why", report, changes, changes, True, "update") for s in gate.STATUSES]
    return gate.Gate((*outcomes, gate.Outcome("none", "pass", "", None)), "2.13.0", "cpu", ("a note",))


def whole_parity() -> parity_result.Parity:
    cells = tuple(
        parity_result.Cell(
            "causal", "gqa", "float32", "forward", "sdpa-math", status, 1e-7, 1e-6, "why", "tf32-mixed-api"
        )
        for status in parity_result.STATUSES
    )
    report = whole_report()
    return parity_result.Parity("suite", report.environment, cells, report.findings, ("a note",))


def whole_bench(**inputs: Any) -> bench_result.Bench:
    rows = tuple(
        bench_result.Row(
            "causal", 512, "x", status, 0.1, 0.1, 0.2, 9, True, 1.0, 512, 7.5, True, 2, 4096, 0.1, 0.2, "why"
        )
        for status in bench_result.STATUSES
    )
    found = attention_bench()
    patches = ({"id": "flex-autocast", "state": "refused", "reason": "why"},)
    wanted = inputs or {**found.inputs, "kv_heads": 2}
    return replace(found, rows=(*rows, *found.rows), inputs=wanted, patches=patches, notes=("a note",))


def whole_matrix() -> matrix_result.Matrix:
    report = replace(whole_report(), peak_bytes=4096, warm_call=0.25)
    more = {"capture": "/cells/1/capture", "output": "/cells/1/output.txt", "node": "n1 (abc)", "resumed": True}
    cells = tuple(
        matrix_result.Cell("2.13.0", {"window": "256"}, "python -m x", verdict, "why", report, **more)
        for verdict in matrix_result.VERDICTS
    )
    return matrix_result.Matrix("m.py", ("window",), cells, "/cells", ("a note",))


def whole_fix() -> fix_result.Mended:
    found = whole_report().findings[0]
    steps = tuple(fix_result.Step(found, "messages-outside", "what", state, "why") for state in fix_result.STATES)
    left = (fix_result.Left(replace(found, location=Location("/work/m.py", 2, "f", "c")), "why"),)
    figures = fix_result.Figures(3, 2, 1, 1, 0.5)
    return fix_result.Mended(
        "m.py",
        "/work",
        whole_report().environment,
        ("unhealthy", "healthy"),
        figures,
        figures,
        steps,
        left,
        {"/work/m.py": ("a\nb\n", "a\nc\n")},
        {"dynamic": True},
        (21, 9),
        9,
        (0.2, 0.1),
        "why",
        ("it differs",),
        ("a note",),
        "it was interrupted",
        ("/work/m.py",),
    )


MODEL_INPUTS = {"convention": "build_model()", "tokens": [512], **dict.fromkeys(OF_MODELS, None), "as_is": True}
TEXTS = {
    "report": json_format.render(whole_report()),
    "check": json_format.render_gate(whole_gate(), 1),
    "parity": parity_json.render(whole_parity()),
    "bench": bench_json.render(whole_bench()),
    "coldstart": coldstart_json.render(whole_coldstart()),
    "matrix": matrix_json.render(whole_matrix()),
    "fix": fix_json.render(whole_fix()),
}
every_document = pytest.mark.parametrize("name", NAMES)


# ---------------------------------------------------------------- the files


@every_document
def test_the_published_file_is_what_the_records_give(name):
    published = schemas.published(f"compile-doctor/{name}/1")
    assert published == writer.text(name), "run `make schemas`"
    found = json.loads(published)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["title"] == schemas.IDENTIFIERS[name]
    assert found["properties"]["schema"]["enum"] == [schemas.IDENTIFIERS[name]]


@every_document
def test_every_object_and_every_key_is_described(name):
    found = json.loads(schemas.published(schemas.IDENTIFIERS[name]) or "")
    parts = [found, *found["$defs"].values()]
    for part in parts:
        assert part["title"] and part["description"].endswith(".")
        assert part["additionalProperties"] is False
        properties = {**part["properties"], **part["properties"].get("environment", {}).get("properties", {})}
        for key, one in properties.items():
            assert one["description"].endswith((".", "…")), f"{part['title']}.{key}"


def test_explain_prints_it(capsys):
    with pytest.raises(SystemExit):
        main(["explain", "compile-doctor/check/1"])
    assert capsys.readouterr().out == writer.text("check")


# ---------------------------------------------------------------- what is valid


@every_document
def test_a_document_in_which_everything_is_said_is_valid(name):
    VALIDATORS[name].validate(json.loads(TEXTS[name]))
    missing = {
        (part["title"], key)
        for part in (VALIDATORS[name].schema, *VALIDATORS[name].schema["$defs"].values())
        for key in part["properties"]
    }
    record = msgspec.convert(json.loads(TEXTS[name]), writer.DOCUMENTS[name])
    for one in records(record):
        title = schemas.IDENTIFIERS[name] if one is record else type(one).__name__
        missing -= {
            (title, key) for key in one.__struct_fields__ if getattr(one, key) not in (None, msgspec.UNSET, (), {}, "")
        }
    if name == "parity":  # it has no sources
        missing = {one for one in missing if one[0] != "Span" and one[1] != "span"}
    assert {one for one in missing if not (one[0] == "Inputs" and one[1] in (*OF_MODELS, "convention"))} == set()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_report_of_a_recording_is_valid(path):
    report = make_report(load_capture(path))
    VALIDATORS["report"].validate(json.loads(json_format.render(report)))


def test_other_documents_are_valid():
    assert valid("report", json_format.render(make_report(evidence(environment={}, **about(), compilations=()))))
    assert valid("check", json_format.render_gate(whole_gate()))
    assert valid("check", json_format.render_gate(gate.Gate((), "2.13.0", "unknown")))
    assert valid("parity", parity_json.render(parity_result.Parity("m.py", {}, ())))
    empty = matrix_result.Cell("2.8.0", {}, "python -m x", "not-run", "torch 2.8.0 cannot be installed.")
    assert valid("matrix", matrix_json.render(matrix_result.Matrix("m.py", (), (empty,), "/cells")))
    assert valid("bench", bench_json.render(whole_bench(**MODEL_INPUTS, grad=True)))
    assert valid("bench", bench_json.render(replace(whole_bench(), rows=(bench_result.Row("a", None, "x", "died"),))))


# ---------------------------------------------------------------- what is not


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a document; of several entries of a list only the first."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*path, key))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], (*path, 0))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def changed(name: str, path: tuple[Any, ...], value: Any) -> str:
    document = json.loads(TEXTS[name])
    at(document, path[:-1])[path[-1]] = value
    return json.dumps(document)


def wrong(value: Any) -> list[Any]:
    """Values of other types, and out of range."""
    if isinstance(value, bool):
        return [0, "true"]
    if isinstance(value, (int, float)):
        return [-1, True, str(value), {}]
    if isinstance(value, dict):
        return ["text", [value], 0]
    return [{"text": value}, 0, True]  # of texts, lists and null


@every_document
def test_a_wrong_value_at_any_key_is_refused(name):
    document = json.loads(TEXTS[name])
    taken = [
        (path, value)
        for path in leaves(document)
        for value in wrong(at(document, path))
        if at(document, path) is not None and valid(name, changed(name, path, value))
    ]
    assert taken == []


WORDS = {
    "report": ("verdict", "severity"),
    "matrix": ("verdict", "severity"),
    "fix": ("verdict_before", "state", "severity"),
    "coldstart": ("start", "kind", "severity"),
}
"""Keys whose value is one of a list, by document, if they are not `status`."""


@every_document
def test_a_word_that_is_not_in_the_list_is_refused(name):
    document, listed = (
        json.loads(TEXTS[name]),
        set(re.findall(r'"(\w+)": \{"enum"', json.dumps(VALIDATORS[name].schema))),
    )
    paths = [path for path in leaves(document) if path[-1] in listed and isinstance(at(document, path), str)]
    assert {path[-1] for path in paths} >= {"schema", *WORDS.get(name, ("status",))}
    assert [path for path in paths if valid(name, changed(name, path, "no such word"))] == []


@every_document
def test_a_key_too_few_or_too_many_is_refused(name):
    document = json.loads(TEXTS[name])
    for path in leaves(document):
        if isinstance(at(document, path), dict):
            assert not valid(name, changed(name, (*path, "surprise"), None)), path
        optional = (len(path) > 1 and path[-2] in MAPS) or path[-1] == "known"
        if isinstance(path[-1], str) and not optional:
            less = copy.deepcopy(document)
            del at(less, path[:-1])[path[-1]]
            assert not valid(name, json.dumps(less)), path
    assert not valid(name, json.dumps({**document, "surprise": None}))


# ---------------------------------------------------------------- figures that are not finite


def records(value: Any) -> Iterator[Record]:
    if isinstance(value, Record):
        yield value
        value = [getattr(value, field) for field in value.__struct_fields__]
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from records(one)


@every_document
@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_is_null_and_noted(name, figure):
    document = msgspec.convert(json.loads(TEXTS[name]), writer.DOCUMENTS[name])
    tried = 0
    for record in records(document):
        for field in record.__struct_fields__:
            before = getattr(record, field)
            floats = {field: figure} if isinstance(before, float) else {}
            if field == "timings":
                floats = {field: {"compiled_seconds": figure}}
            if field == "environment" and "load_average" in before:
                floats = {field: {**before, "load_average": figure}}
            for value in floats.values():
                setattr(record, field, value)
                found = as_dict(document)
                assert valid(name, as_text(found)), field
                assert f"is null: it was {figure}" in found["notes"][-1] and field in found["notes"][-1]
                setattr(record, field, before)
                tried += 1
    assert tried > 3
    assert as_text(as_dict(document)) == TEXTS[name]


def test_figures_from_a_run_that_are_not_finite():
    report = replace(whole_report(), max_difference=math.inf, timings={"eager": math.nan})
    found = json.loads(json_format.render(report))
    assert (found["max_difference"], found["timings"]) == (None, {"eager_seconds": None})
    assert found["notes"][1:] == [
        "timings.eager_seconds is null: it was nan, which is not a finite number",
        "max_difference is null: it was inf, which is not a finite number",
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_text({"figure": math.nan})


# ---------------------------------------------------------------- lists, the manual


def words(pattern: str, *files: str) -> set[str]:
    return {
        word
        for file in files
        for word in re.findall(pattern, (ROOT / "compile_doctor" / file).read_text(), re.MULTILINE)
    }


def test_the_lists_have_every_word_that_the_code_writes():
    defs = VALIDATORS["check"].schema["$defs"]
    kinds = words(r'Change\(\s*"([\w-]+)"', "gate/decide.py", "gate/regressions.py") | {"frames-skipped", "recompiles"}
    assert kinds == set(defs["Change"]["properties"]["kind"]["enum"])
    states = words(r'(?:PatchError|Status)\((?:self\.)?recipe, "([\w-]+)"', "recipes/engine.py") | {"applicable"}
    assert states == set(defs["Recipe"]["properties"]["state"]["enum"])
    environment = words(r'(?:found\[|^ +)"([a-z_]+)"(?:\] =|:)', "probe/environment.py", "probe/bench/machine.py")
    environment |= words(r'[{]"([a-z]+)": (?:"|torch|getattr|self)', "probe/devices.py")
    known = set(VALIDATORS["bench"].schema["properties"]["environment"]["properties"])
    assert environment - {"torch_root"} == known - {"backend", "load_average", "cores"}


def examples() -> list[dict[str, Any]]:
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def test_the_examples_in_the_manual_are_valid_but_for_what_they_leave_out():
    found = {one.get("schema"): one for one in examples()}
    for name in ("report", "check", "bench"):
        lenient = json.loads(re.sub(r'"required": \[[^]]*\]', '"required": []', json.dumps(writer.schema(name))))
        lenient["properties"].get("inputs", {}).pop("oneOf", None)  # and one of two lists of them
        jsonschema.Draft202012Validator(lenient).validate(found[schemas.IDENTIFIERS[name]])
    attention, cell = (one for one in examples() if "schema" not in one)
    whole = {name: json.loads(TEXTS[name]) for name in ("report", "parity")}
    VALIDATORS["report"].validate({**whole["report"], "attention": [attention]})
    VALIDATORS["parity"].validate({**whole["parity"], "cells": [cell]})


def test_the_code_in_the_manual_validates_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "json.md").read_text(), re.DOTALL | re.MULTILINE)
    Path("report.json").write_text(TEXTS["report"], encoding="utf-8")
    exec(code, {})
    Path("report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(jsonschema.ValidationError):
        exec(code, {})
