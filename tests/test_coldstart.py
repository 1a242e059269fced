"""Two starts of a target, cold and warm: what the caches had, what changed in a key, what would help, and how it is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from helpers import MODEL, SOURCE, compilation, evidence, one_break, seal, write_capture

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.capture.load import load_capture
from compile_doctor.capture.schema import CAPTURE
from compile_doctor.capture.trace.graph_text import read_graph_text
from compile_doctor.checks import own_checks
from compile_doctor.coldstart import run as coldstart_run
from compile_doctor.coldstart.advice import advice
from compile_doctor.coldstart.result import ColdStart, Spread
from compile_doctor.coldstart.run import result
from compile_doctor.model.asked import Settings
from compile_doctor.model.compilations import Operator, Traced
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.model.timeline import CacheAnswer, Call, KeyPart, Timing
from compile_doctor.render import coldstart_json, coldstart_markdown, coldstart_text, start_words
from compile_doctor.report.make import make_report
from compile_doctor.report.run_checks import run_checks
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

HIT = CacheAnswer("fx_graph", "hit", "fa")
MISS = CacheAnswer("fx_graph", "miss", "fa")
CHILD = Child("diagnose", 0)


def parts(**values: str) -> tuple[KeyPart, ...]:
    return tuple(KeyPart(name, f"hash of {value}", value) for name, value in values.items())


def start(*answers: CacheAnswer, seconds: float = 8.0, **values: Any) -> Evidence:
    """A start that compiled one function for so long."""
    timing = Timing(0, round(seconds * 1e6), (("kernels", round(seconds * 1e6)),), ())
    values = {"graphs": 1, "timing": timing, "kernels": (), "answers": answers, "guarded": True, **values}
    calls = (Call("compiled", 0, 0, round(seconds * 1e6) + 500_000), Call("compiled", 1, 20_000_000, 1000))
    return evidence(
        compilations=(compilation(**values),),
        calls=calls,
        sources={MODEL: SOURCE},
        phases={"compiled": "done"},
        children=(CHILD,),
    )


def compared(cold: Evidence, warm: Evidence) -> ColdStart:
    return result(replace(warm, earlier=cold), {"cold": [cold], "warm": [warm]})


def found(cold: Evidence, warm: Evidence) -> list[tuple[str, str]]:
    return [(one.code, one.cause) for one in compared(cold, warm).findings]


def only(cold: Evidence, warm: Evidence) -> Finding:
    (one,) = compared(cold, warm).findings
    return one


def test_a_warm_start_that_hits_has_no_finding():
    shown = compared(start(MISS), start(HIT, seconds=0.5))
    assert shown.findings == () and not shown.problem and shown.exit_code("warning") == 0
    assert [(one.name, one.hits, one.misses, one.first_call, one.later_call) for one in shown.starts] == [
        ("cold", 0, 1, 8.5, 0.001),
        ("warm", 1, 0, 1.0, 0.001),
    ]
    assert [(one.name, one.gain, one.measured) for one in shown.advice] == [("shared-cache", 7.5, True)]
    assert [(one.cold, one.warm, one.answer) for one in shown.graphs] == [(8.0, 0.5, "1 hit")]


def test_without_two_starts_nothing_is_compared():
    checks = [check for check in own_checks() if check.compares_starts]
    assert len(checks) == 3
    bypass = CacheAnswer("fx_graph", "bypass", "", "Unsupported post grad custom pass")
    for one in (start(MISS), start(bypass), start()):
        assert run_checks(checks, AnalysisContext(one)).findings == ()


def test_a_bypass_has_torchs_reason_and_what_to_do():
    bypass = CacheAnswer("fx_graph", "bypass", "", "Unsupported post grad custom pass")
    one = only(start(bypass), start(bypass))
    assert (one.code, one.severity, one.count, one.cost.seconds) == ("CD511", "warning", 1, 8.0)
    assert "Unsupported post grad custom pass" in one.message and "uuid()" in one.fix
    assert one.location is not None and (one.location.file, one.location.line) == (MODEL, 5)


def test_a_bypass_for_an_unknown_reason_still_has_the_reason():
    bypass = CacheAnswer("aotautograd", "bypass", "", "Something new\nin two lines")
    one = only(start(bypass, HIT), start(bypass, HIT))
    assert "AOTAutograd's cache" in one.message and "Something new" in one.message
    assert one.evidence == ("torch: Something new", "torch: in two lines")


def test_a_setting_that_changes_is_named_with_both_values():
    cold = replace(MISS, key="f1", parts=parts(gm="GraphModule()", **{"inductor_config[debug_dir]": "/tmp/a"}))
    warm = replace(MISS, key="f2", parts=parts(gm="GraphModule()", **{"inductor_config[debug_dir]": "/tmp/b"}))
    one = only(start(cold), start(warm))
    assert (one.code, one.cause) == ("CD513", "inductor_config")
    assert one.evidence == ("inductor_config[debug_dir]: /tmp/a in the cold start, /tmp/b in the warm start",)
    assert "inductor_config[debug_dir]" in one.message


def graph_part(number: str) -> tuple[KeyPart, ...]:
    return parts(gm=f"def forward(self, a):\n    mul = torch.ops.aten.mul.Tensor(a, {number})\n    return (mul,)")


def test_a_number_in_the_graph_leads_to_the_line_that_computes_with_it():
    cold, warm = (replace(MISS, key=number, parts=graph_part(number)) for number in ("467.09274", "531.80771"))
    traced = Traced("d", constants=(("531.80771", MODEL, 7), ("0.79788", MODEL, 9)))
    one = only(start(cold), start(warm, traced=traced))
    assert (one.code, one.cause) == ("CD513", "gm")
    assert one.location is not None and one.location.line == 7
    assert "467.09274" in one.evidence[0] and "531.80771" in one.evidence[0]


def test_a_function_of_torch_has_the_users_first_line_in_its_graph():
    of_torch = {"file": "/venv/lib/python3.11/site-packages/torch/_dynamo/external_utils.py", "line": 67}
    traced = Traced("d", operators=(Operator(MODEL, 7, "f32", "linear(x)", "linear(x)"),))
    bypass = CacheAnswer("fx_graph", "bypass", "", "Unsupported post grad custom pass")
    shown = compared(*(start(bypass, traced=traced, **of_torch) for _ in range(2)))
    assert [(one.frame.file, one.frame.line, one.frame.function) for one in shown.graphs] == [
        (MODEL, 7, "Model.forward")
    ]
    assert [(one.location.file, one.location.line) for one in shown.findings if one.location] == [(MODEL, 7)]


def test_a_number_that_is_at_two_lines_leaves_the_function():
    cold, warm = (replace(MISS, key=number, parts=graph_part(number)) for number in ("467.09274", "531.80771"))
    traced = Traced("d", constants=(("531.80771", MODEL, 7), ("531.80771", MODEL, 9)))
    one = only(start(cold), start(warm, traced=traced))
    assert one.location is not None and one.location.line == 5


def test_a_part_with_another_hash_and_the_same_text_is_said_to_look_the_same():
    cold = replace(MISS, parts=(KeyPart("fx_kwargs[get]", "a", "<function f at 0x7f0000000001>"),))
    warm = replace(MISS, parts=(KeyPart("fx_kwargs[get]", "b", "<function f at 0x7f0000000002>"),))
    one = only(start(cold), start(warm))
    assert one.cause == "fx_kwargs" and "looks the same" in one.evidence[0]


@pytest.mark.parametrize(
    ("before", "now", "cause"),
    [
        (MISS, MISS, "not-stored"),
        (MISS, replace(MISS, key="other"), "unknown-part"),
        (CacheAnswer("fx_graph", "bypass"), MISS, "was-bypassed"),
        (None, MISS, "other-graph"),
    ],
)
def test_a_miss_without_a_part_that_changed(before, now, cause):
    assert found(start(*([before] if before else [])), start(now)) == [("CD512", cause)]


def test_autograds_cache_is_not_a_finding_of_its_own_if_inductors_missed_too():
    first, second = (CacheAnswer("aotautograd", "miss", key) for key in ("a", "b"))
    assert found(start(first, MISS), start(second, MISS)) == [("CD512", "not-stored")]
    assert found(start(first, MISS), start(second, HIT)) == [("CD512", "unknown-part")]


def test_caches_that_are_off():
    assert found(start(), start()) == [("CD512", "caches-off")]
    assert found(start(kernels=None), start(kernels=None)) == []  # a backend that has no cache


@pytest.mark.parametrize(
    ("cold", "warm", "words"),
    [
        (replace(start(MISS), phases={"compiled": "failed"}), None, "The cold start failed"),
        (start(MISS), replace(start(HIT), phases={"compiled": "begun"}), "The warm start failed"),
        (start(MISS, graphs=0), start(HIT, graphs=0), "compiled nothing"),
        (start(MISS, timing=None), start(HIT, timing=None), "no timed events"),
        (start(MISS), None, "The warm start was not made"),
    ],
)
def test_a_start_without_figures_is_no_pass(cold, warm, words):
    starts = {"cold": [cold]} | ({"warm": [warm]} if warm else {})
    shown = result(replace(warm or cold, earlier=cold if warm else None), starts)
    assert words in shown.problem and shown.exit_code("never") == 3
    assert "INCONCLUSIVE" in coldstart_text.render(shown)
    assert json.loads(coldstart_json.render(shown))["problem"] == shown.problem


def blocks(count: int, **values: Any) -> Evidence:
    timing = Timing(0, 8_000_000, (("dynamo", 1_000_000), ("codegen", 3_000_000), ("kernels", 4_000_000)), ())
    return start(MISS, timing=timing, traced=Traced("d", blocks=count), **values)


def test_repeated_blocks_are_an_estimate_until_they_are_tried():
    estimate = next(one for one in advice({"cold": [blocks(8)]}) if one.name == "regional")
    assert (estimate.gain, estimate.measured) == (3.5, False)  # 7 of 8 blocks, without kernels
    tried = {"cold": [blocks(8)], "regional": [start(MISS, seconds=3.0)]}
    measured = next(one for one in advice(tried) if one.name == "regional")
    assert (measured.gain, measured.measured) == (5.0, True)
    assert start_words.gain(estimate) == "Would save 3.5 to 7.0 s (an estimate: --try measures it)"
    assert start_words.gain(measured) == "Saves 5.0 s (measured in one start of each, spread not known)"


def test_a_try_that_costs_time_is_said_to_cost_it():
    tried = {"cold": [blocks(8)], "regional": [start(MISS, seconds=9.0)]}
    assert [start_words.gain(one) for one in advice(tried)] == [
        "Costs 1.0 s more (measured in one start of each, spread not known)"
    ]


def lasting(*seconds: float, **values: Any) -> list[Evidence]:
    return [start(MISS, seconds=one, **values) for one in seconds]


def test_a_gain_within_the_spread_is_none():
    alike = Traced("d", blocks=8)
    tried = {"cold": lasting(8.0, 9.0, 8.5, traced=alike), "regional": lasting(8.2, 6.0, 7.0)}
    (one,) = advice(tried)
    assert (one.gain, one.spread.least, one.spread.most, one.measurable) == (1.5, pytest.approx(-0.2), 3.0, False)
    assert start_words.gain(one).startswith("No measurable gain (between 0.2 s lost and 3.0 s saved")
    shown = replace(compared(start(MISS), start(HIT)), advice=(one,))
    assert "Compile one block" not in coldstart_text.render(shown)
    written = json.loads(coldstart_json.render(shown))["advice"][0]
    assert (written["gain_seconds"], written["loss_seconds"]) == (None, None)
    assert (written["measurable"], written["spread"], written["made"]) == (False, None, 3)


def test_a_gain_beyond_the_spread_has_it():
    tried = {"cold": lasting(8.0, 9.0, 8.5, traced=Traced("d", blocks=8)), "regional": lasting(5.0, 6.0, 4.0)}
    assert [start_words.gain(one) for one in advice(tried)] == [
        "Saves 3.5 s (measured, 2.0 to 5.0 s in 3 starts of each)"
    ]
    tried["regional"] = lasting(10.0, 12.0, 11.0)
    assert [start_words.gain(one) for one in advice(tried)] == [
        "Costs 2.5 s more (measured, 1.0 to 4.0 s in 3 starts of each)"
    ]


def test_of_several_starts_the_median_is_shown_with_the_least_and_the_most():
    cold, warm = lasting(8.0, 12.0, 9.0), [start(HIT, seconds=one) for one in (0.7, 0.5, 0.6)]
    shown = result(replace(warm[0], earlier=cold[0]), {"cold": cold, "warm": warm})
    first = shown.starts[0]
    assert (first.made, first.compiling, first.compilings) == (3, 9.0, Spread(8.0, 12.0))
    rows = [line.split() for line in coldstart_text.render(shown).splitlines()]
    assert ["least", "to", "most", "of", "3", "8.5–12.5", "s", "1.00–1.20", "s"] in rows
    assert ["least", "to", "most", "of", "3", "8.0–12.0", "s", "0.50–0.70", "s"] in rows


def test_a_try_that_failed_has_no_gain():
    tried = {"cold": [blocks(8)], "regional": [replace(start(MISS), phases={"compiled": "failed"})]}
    (one,) = advice(tried)
    assert one.gain is None and start_words.gain(one) == "No gain known: that start failed."


def test_two_blocks_are_too_few():
    assert list(advice({"cold": [blocks(2)]})) == []


def test_a_size_that_changes_is_a_reason_for_dynamic():
    guard = "tensor 'x' size mismatch at index 0. expected 4, actual 8"
    timing = Timing(0, 5_000_000, (), ())
    again = compilation(frame_compile_id=1, timing=timing, recompile_reasons=(f"0/0: {guard}",))
    cold = start(MISS)
    cold = replace(cold, compilations=(*cold.compilations, again))
    assert [(one.name, one.gain, one.measured) for one in advice({"cold": [cold]})] == [("dynamic", 5.0, False)]
    other = replace(again, recompile_reasons=("0/0: k == 2",))
    assert list(advice({"cold": [replace(cold, compilations=(*cold.compilations[:1], other))]})) == []


GRAPH = """
class GraphModule(torch.nn.Module):
    def forward(self, {inputs}):
        {names} = None
         # File: /work/model.py:12 in forward, code: return x * self.run_id
        mul: "f32[2, 8][8, 1]cpu" = linear * 467.0927450656891;  linear = None
"""


def graph_of(children: str, count: int, kind: str = "f32[8, 8][8, 1]cpu") -> Traced:
    inputs = ", ".join(
        f'L_self_modules_{children}_modules_{number}_modules_fc_parameters_{part}_: "{kind}"'
        for number in range(count)
        for part in ("weight", "bias")
    )
    return read_graph_text(GRAPH.format(inputs=inputs, names="x").encode())


def test_blocks_with_parameters_that_are_alike_are_counted():
    assert graph_of("layers", 12).blocks == 12
    assert graph_of("layers", 1).blocks == 0
    one = read_graph_text(GRAPH.format(inputs='L_x_: "f32[2, 8][8, 1]cpu"', names="x").encode())
    assert one.blocks == 0


def test_numbers_in_a_graph_have_their_lines():
    assert graph_of("layers", 2).constants == (("467.0927450656891", "/work/model.py", 12),)


# ---------------------------------------------------------------- how it is kept and shown


def test_the_capture_of_both_starts_is_read_as_one(tmp_path):
    folder = tmp_path / "capture"
    for name in ("cold", "warm"):
        write_capture(folder / f"start-{name}", one_break())
    starts = [{"name": "cold"}, {"name": "warm"}]
    asked = {"target": "model.py", "cwd": "/work/project"}
    (folder / "capture.json").write_text(json.dumps({"schema": CAPTURE, "asked": asked, "starts": starts}))
    seal(folder)
    whole = load_capture(folder)
    assert whole.earlier is not None and not whole.damage and len(whole.compilations) == 2
    assert make_report(whole).damaged is False
    (folder / "start-cold" / "trace" / "dedicated_log_torch_trace_x.log").write_bytes(b"")
    assert load_capture(folder).damage


@pytest.mark.parametrize("name", ["../cold", "cold/..", "", "x"])
def test_a_start_with_another_name_is_not_read(tmp_path, name):
    folder = write_capture(tmp_path / "capture")
    asked = {"target": "model.py"}
    (folder / "capture.json").write_text(json.dumps({"schema": CAPTURE, "asked": asked, "starts": [{"name": name}]}))
    assert any("capture.json cannot be read" in text for text in load_capture(folder).damage)


def test_the_text_shows_both_starts_side_by_side():
    cold = replace(MISS, key="f1", parts=parts(**{"inductor_config[debug_dir]": "/tmp/a"}))
    warm = replace(MISS, key="f2", parts=parts(**{"inductor_config[debug_dir]": "/tmp/b"}))
    shown = coldstart_text.render(compared(start(cold), start(warm, seconds=7.0)))
    rows = {line[:30].strip(): line[30:].split() for line in shown.splitlines()}
    assert rows["Start"] == ["cold", "warm"]
    assert rows["first call"] == ["8.50", "s", "7.50", "s"]
    assert rows["kernels"] == ["8.00", "s", "7.00", "s"]
    assert rows["cache: hits, misses"] == ["0,", "1", "0,", "1"]
    assert (
        "CD513 cache-key-changes (warning)" in shown
        and "Saves 1.0 s (measured in one start of each, spread not known)  shared-cache" in shown
    )
    assert compared(start(cold), start(warm)).exit_code("error") == 0
    assert compared(start(cold), start(warm)).exit_code("warning") == 1


def three_starts() -> ColdStart:
    """Two kinds of start, each made three times, with a number in the graph that changes."""
    cold, warm = (replace(MISS, key=number, parts=graph_part(number)) for number in ("467.09274", "531.80771"))
    alike = Traced("d", blocks=8)
    found = {
        "cold": [start(cold, seconds=one, traced=alike) for one in (8.0, 9.0, 8.5)],
        "warm": [start(warm, seconds=one) for one in (3.0, 3.2, 3.1)],
        "regional": lasting(8.2, 6.0, 7.0),
    }
    return result(replace(found["warm"][0], earlier=found["cold"][0]), found)


def test_markdown_has_the_starts_the_findings_and_what_would_help():
    text = coldstart_markdown.render(three_starts())
    assert text.startswith("### compile-doctor coldstart: ") and "**CACHE MISSED**" in text
    assert "| first call | 9.00 s | 3.60 s | 7.50 s |" in text
    assert "**CD513 cache-key-changes** model.py:5" in text and "- seen: the graph has" in text
    assert "- **shared-cache**: Saves 5.4 s (measured, 4.8 to 6.0 s in 3 starts of each)" in text
    assert "- **regional**: No measurable gain" in text and "Compile one block" not in text


def test_starts_are_made_in_turn_and_each_time_another_is_first(monkeypatch, tmp_path):
    made: list[tuple[str, Any]] = []
    answers = {
        "own": start(HIT),
        "cold": blocks(8),
        "warm": start(HIT, seconds=0.5),
        "regional": start(MISS, seconds=3.0),
    }

    def one_size(target, settings, inside, keep, progress, begin, control):
        name = inside.name.split("-")[1]
        made.append((inside.name, settings.regional))
        return answers[name]

    class Directory:
        def __init__(self, *_: Any) -> None: ...
        def close_starts(self, found):
            assert {name: len(ones) for name, ones in found.items()} == {"cold": 3, "warm": 3, "regional": 3, "own": 1}
            return replace(found["warm"][0], earlier=found["cold"][0])

    monkeypatch.setattr(coldstart_run, "one_size", one_size)
    monkeypatch.setattr(coldstart_run, "CaptureDirectory", Directory)
    target = parse_target("example:clean")
    shown = coldstart_run.coldstart(target, Settings(), tmp_path, False, Progress(quiet=True), own=True, tries=True)
    assert [one.made for one in shown.starts] == [3, 3, 1, 3]
    assert made == [
        ("start-cold", False),
        ("start-warm", False),
        ("start-own", False),
        ("start-regional", True),
        ("start-regional-2", True),
        ("start-cold-2", False),
        ("start-warm-2", False),
        ("start-cold-3", False),
        ("start-warm-3", False),
        ("start-regional-3", True),
    ]
