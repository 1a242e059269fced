"""Where the compile time went, as people and machines read it: the table, the phrase, JSON and the file for Perfetto."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers import MODEL, SOURCE, evidence, interned, nested, read, start, timed

from compile_doctor.analysis.compile_time import answers, by_line, longest
from compile_doctor.analysis.timeline import timelines
from compile_doctor.model.timeline import CacheAnswer, Call
from compile_doctor.render import json_format, perfetto_format, text_format
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

NAMES = interned(MODEL, 1)


def report(trace: bytes, **values: Any) -> Report:
    found = read(NAMES + trace)
    return make_report(
        evidence(compilations=tuple(found.compilations), aside=tuple(found.aside), sources={MODEL: SOURCE}, **values)
    )


TWICE = nested() + nested(0, 1, at=20.0) + nested(1, at=40.0)


def test_the_line_of_figures_names_the_phase_that_took_most():
    assert "s (40 % kernels)" in text_format.render(report(TWICE))


def test_without_timed_events_nothing_is_said_of_phases():
    shown = report(start())
    assert "%" not in text_format.render(shown, 1) and "Compile time" not in text_format.render(shown, 1)
    assert json_format.as_dict(shown)["compile_time"] is None
    assert [one["ph"] for one in check_trace_events(perfetto_format.render(shown))] == ["M", "i"]


def test_the_table_has_a_row_for_each_function():
    assert "Compile time" not in text_format.render(report(TWICE))
    shown = text_format.render(report(nested() + nested(0, 1, at=20.0)), 1).splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("Compile time"))
    assert shown[at].split() == [
        "Compile",
        "time",
        "total",
        "Dynamo",
        "AOTAutograd",
        "lowering",
        "kernels",
        "compiled",
        "cache",
    ]
    row = "model.py:5 Model.forward 20.0 s 2.0 s 4.0 s 6.0 s 8.0 s 2× not asked"
    assert " ".join(shown[at + 1].split()) == row


def test_json_has_the_same_sums():
    found = json_format.as_dict(report(TWICE))["compile_time"]
    assert found["seconds"] == 30.0
    assert found["phases"] == {"dynamo": 3.0, "aot_autograd": 6.0, "lowering": 9.0, "kernels": 12.0}
    assert [(one["compile_id"], one["recompilation"], one["start_seconds"]) for one in found["compilations"]] == [
        ("0/0", 0, 0.0),
        ("0/1", 1, 20.0),
        ("1/0", 0, 40.0),
    ]
    assert found["compilations"][0]["location"]["function"] == "Model.forward"


def test_functions_are_ordered_by_their_time():
    found = longest(timelines(evidence(compilations=tuple(read(NAMES + TWICE).compilations))))
    assert found is not None
    assert [one.total for one in by_line(found)] == [30_000_000]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((), ""),
        ((("aotautograd", "miss"), ("fx_graph", "hit"), ("fx_graph", "hit")), "2 hits"),
        ((("aotautograd", "hit"),), "1 hit"),
        ((("aotautograd", "bypass"), ("fx_graph", "miss")), "1 miss, 1 bypass"),
        ((("fx_graph", "miss"), ("fx_graph", "bypass"), ("fx_graph", "bypass")), "1 miss, 2 bypasses"),
    ],
)
def test_what_the_caches_answered_in_words(found, words):
    assert answers(CacheAnswer(cache, answer) for cache, answer in found) == words


def check_trace_events(text: str) -> list[dict[str, Any]]:
    """What the Trace Event Format requires of the events that are used; raises AssertionError."""
    document = json.loads(text)
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"} and document["displayTimeUnit"] in (
        "ms",
        "ns",
    )
    open_until: dict[tuple[int, int], list[float]] = {}
    whole = document["traceEvents"]
    for event in whole:
        assert isinstance(event["name"], str) and event["name"]
        assert all(isinstance(event[name], int) and event[name] >= 0 for name in ("pid", "tid", "ts"))
        assert isinstance(event["args"], dict)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name") and isinstance(event["args"]["name"], str)
        elif event["ph"] == "i":
            assert event["s"] in ("g", "p", "t")
        else:
            assert event["ph"] == "X" and event["dur"] >= 0 and isinstance(event["cat"], str)
    complete = [one for one in whole if one["ph"] == "X"]
    for event in sorted(complete, key=lambda one: (one["pid"], one["tid"], one["ts"], -one["dur"])):
        stack = open_until.setdefault((event["pid"], event["tid"]), [])
        while stack and stack[-1] <= event["ts"]:
            stack.pop()
        assert not stack or event["ts"] + event["dur"] <= stack[-1], f"{event['name']} overlaps on its track"
        stack.append(event["ts"] + event["dur"])
    return whole


def test_perfetto_has_compilations_calls_and_what_ran_beside():
    beside = b"".join(timed(ph, "compile_file", at, None) for ph, at in (("B", 6.5), ("E", 9), ("B", 50), ("E", 51)))
    begun = int(1.7e15)
    calls = (Call("compiled", 0, begun - 10, 35_000_000), Call("compiled", 1, begun + 35_000_000, 90_000_000))
    events = check_trace_events(perfetto_format.render(report(TWICE + beside, calls=calls)))
    named = {(one["tid"], one["args"]["name"]) for one in events if one["name"] == "thread_name"}
    assert named == {(1, "calls of the target"), (100, "compiling"), (10_000, "in the background")}
    shown = [one["name"] for one in events if one["ph"] == "X" and one["tid"] == 100]
    assert (
        shown[0] == "forward [0/0]".replace("forward", "Model.forward")
        and "Model.forward [0/1, recompilation 1]" in shown
    )
    assert [one["dur"] for one in events if one["tid"] == 1 and one["ph"] == "X"] == [35_000_000, 90_000_000]


def test_perfetto_keeps_compilations_that_overlap_on_tracks_of_their_own():
    events = check_trace_events(perfetto_format.render(report(nested() + nested(1, at=5.0))))
    assert {one["tid"] for one in events if one["ph"] == "X"} == {100, 101}
