"""`bench` without torch: how rows are ranked, what the children's events become, what is printed, and who is told off."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from bench_helper import attention_bench, row
from conftest import ROOT

from compile_doctor.bench.read import Events, rows_of
from compile_doctor.bench.result import Bench, Row, ranked
from compile_doctor.bench.run import BenchSettings, _check_options, _chosen
from compile_doctor.errors import UsageError
from compile_doctor.render.bench_json import as_dict
from compile_doctor.render.bench_text import render as render_bench
from compile_doctor.render.bench_text import seconds

EXITED = {"ended": "exited", "exit_code": 0, "signal": None, "seconds": 3.0}
KILLED = {"ended": "signal", "exit_code": -9, "signal": "SIGKILL", "seconds": 3.0}
TIMED_OUT = {"ended": "timeout", "exit_code": None, "signal": None, "seconds": 600.0}

OUTCOME = {"event": "outcome", "first": 5.0, "compiled": True, "cached": False, "peak": 100, "reason": None}
TIMED = {"event": "timed", "median": 1.0, "p25": 0.9, "p75": 1.2, "calls": 9, "noisy": False, "recompiles": 0}


def events(folder: Path, ended: dict, *written: dict) -> Events:
    lines = [json.dumps(one) for one in written]
    (folder / "process-1.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Events.read(folder, ended)


def of(name: str, event: dict, **more: object) -> dict:
    return {**event, "implementation": name, **more}


def begun(name: str, doing: str = "prepare") -> dict:
    return {"event": "begun", "implementation": name, "doing": doing}


# ---------------------------------------------------------------- ranks


def test_the_fastest_is_first_and_the_others_are_told_against_it():
    found = ranked([row("a", 512, "slow", 3.0), row("a", 512, "fast", 1.5), row("a", 1024, "slow", 9.0)])
    assert [(one.implementation, one.ratio) for one in found] == [("fast", 1.0), ("slow", 2.0), ("slow", 1.0)]


def test_a_wrong_one_is_not_ranked_and_stands_below():
    wrong = Row("a", 512, "cheat", "wrong", reason="differs")
    found = ranked([wrong, row("a", 512, "honest", 3.0)])
    assert [(one.implementation, one.ratio) for one in found] == [("honest", 1.0), ("cheat", None)]


def test_a_ratio_that_the_spread_denies_is_withheld():
    """Only between those that may be the best: a clearly slower one keeps its ratio."""
    wide = {"p25": 0.8, "p75": 1.6}
    found = ranked(
        [row("a", 512, "first", 1.0, **wide), row("a", 512, "second", 1.1, **wide), row("a", 512, "slow", 9.0)]
    )
    assert [(one.implementation, one.ratio) for one in found] == [("first", None), ("second", None), ("slow", 9.0)]
    shown = render_bench(Bench("suite", {}, {}, found))
    assert shown.count("  noisy  ") == 2 and "9.00×" in shown
    assert "noisy: too noisy to rank" in shown
    assert [one["ratio"] for one in as_dict(replace(attention_bench(), rows=found))["rows"]] == [None, None, 9.0]


def test_two_that_are_equally_fast_have_a_ratio():
    narrow = [row("a", 512, "first", 1.0, p25=0.99, p75=1.01), row("a", 512, "second", 1.005, p25=0.99, p75=1.02)]
    assert [one.ratio for one in ranked(narrow)] == [1.0, 1.005]
    apart = [row("a", 512, "first", 1.0, p25=0.8, p75=1.2), row("a", 512, "second", 2.0, p25=1.6, p75=2.4)]
    assert [one.ratio for one in ranked(apart)] == [1.0, 2.0], "noisy, and still in order"


def test_nothing_measured_is_no_success():
    bench = attention_bench()
    assert bench.exit_code == 0
    assert replace(bench, rows=(Row("a", 512, "x", "unsupported"),)).exit_code == 3
    assert replace(bench, rows=()).exit_code == 3


# ---------------------------------------------------------------- what the children wrote


def test_compile_seconds_are_the_first_call_without_a_warm_one(tmp_path):
    seen = events(tmp_path, EXITED, begun("x"), of("x", OUTCOME), begun("x", "time"), of("x", TIMED))
    (found,) = rows_of(seen, "causal", 512, ["x"])
    assert (found.status, found.median, found.compile_seconds, found.peak_bytes) == ("measured", 1.0, 4.0, 100)
    assert found.spread == pytest.approx(0.3)


def test_an_eager_first_call_is_no_compilation(tmp_path):
    seen = events(tmp_path, EXITED, of("x", OUTCOME, compiled=False), of("x", TIMED))
    assert rows_of(seen, "causal", 512, ["x"])[0].compile_seconds is None


def test_recompilations_of_all_turns_are_told(tmp_path):
    seen = events(tmp_path, EXITED, of("x", OUTCOME), of("x", TIMED, recompiles=2), of("x", TIMED, recompiles=1))
    (found,) = rows_of(seen, "causal", 512, ["x"])
    assert found.recompiles == 3
    assert "recompiled 3×" in (found.reason or "")


def test_a_process_that_is_killed_costs_only_the_row_that_was_under_way(tmp_path):
    seen = events(tmp_path, KILLED, begun("a"), of("a", OUTCOME), begun("b"))
    found = rows_of(seen, "causal", 512, ["a", "b", "c"])
    assert [(one.implementation, one.status) for one in found] == [("b", "died")]  # a and c get another process
    assert found[0].reason == "the process was ended by SIGKILL while it was compiled and called for the first time"


def test_figures_of_earlier_turns_survive_and_say_so(tmp_path):
    written = [of(name, one) for name in ("a", "b") for one in (OUTCOME, TIMED)]
    seen = events(tmp_path, TIMED_OUT, *written, begun("b", "time"))
    found = rows_of(seen, "causal", 512, ["a", "b"])
    assert [one.status for one in found] == ["measured", "measured"]
    assert found[0].reason is None
    assert (
        found[1].reason
        == "the figures are from the calls before it failed: the process timed out after 600 s (--timeout)"
    )


def test_a_time_out_names_what_it_was_in(tmp_path):
    (found,) = rows_of(events(tmp_path, TIMED_OUT, begun("a")), "causal", 512, ["a", "b"])
    assert (found.implementation, found.status) == ("a", "timed-out")


def test_a_child_that_dies_before_anything_ends_all_its_rows(tmp_path):
    error = {"type": "ImportError", "message": "no module named x", "stack": []}
    failure = {"event": "failure", "chain": [error], "text": "", "attention": None}
    ended = {**EXITED, "exit_code": 70}
    found = rows_of(events(tmp_path, ended, failure), "forward", None, ["eager", "inductor"])
    assert [(one.status, one.reason) for one in found] == [("failed", "ImportError: no module named x")] * 2


def test_the_innermost_error_is_the_reason(tmp_path):
    chain = [
        {"type": "torch._dynamo.exc.BackendCompilerFailed", "message": "backend='inductor' raised:\nx", "stack": []},
        {"type": "ValueError", "message": "not enough values to unpack\nmore", "stack": []},
    ]
    said = {
        "event": "outcome",
        "implementation": "a",
        "status": "failed",
        "chain": chain,
        "text": "",
        "attention": None,
    }
    (found,) = rows_of(events(tmp_path, EXITED, begun("a"), said), "causal", 512, ["a"])
    assert (found.status, found.reason) == ("failed", "ValueError: not enough values to unpack")


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "process-1.jsonl").write_text(json.dumps(begun("a")) + '\n{"event": "outc', encoding="utf-8")
    assert Events.read(tmp_path, KILLED).last == "a"


# ---------------------------------------------------------------- what was asked for

GROUPS = [
    {"case": "causal", "implementations": ["flex-eager", "sdpa-flash"]},
    {"case": "decode", "implementations": ["flex-eager", "sdpa-flash"]},
]


def test_only_chooses_cases_implementations_or_both():
    assert [group["case"] for group in _chosen(GROUPS, ("dec*",))] == ["decode"]
    assert [group["implementations"] for group in _chosen(GROUPS, ("sdpa-*",))] == [["sdpa-flash"]] * 2
    assert _chosen(GROUPS, ("causal", "*-eager")) == [{"case": "causal", "implementations": ["flex-eager"]}]
    assert _chosen(GROUPS, ()) == GROUPS


def test_only_with_a_word_that_fits_nothing_names_what_there_is():
    with pytest.raises(UsageError, match=r"matches nothing.*sdpa-flash"):
        _chosen(GROUPS, ("flsh",))


def test_options_that_would_change_nothing_are_refused():
    _check_options("model", {"backend", "device"})
    _check_options("attention", {"heads", "dtype"})
    with pytest.raises(UsageError, match="--kv-heads"):
        _check_options("model", {"kv_heads"})
    with pytest.raises(UsageError, match="--as-is"):
        _check_options("attention", {"as_is"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either a TARGET or --suite"),
        (("x.py", "--suite"), "not both"),
        (("--suite", "--tokens", "1024,x"), "is not a valid list of sizes"),
        (("--suite", "--tokens", "0"), "is not a valid list of sizes"),
        (("--suite", "-o", "sarif:x"), "text, json"),
        (("--suite", "--plot", "x.pdf"), ".svg or .png"),
        (("--suite", "--dtype", "float8"), "float8"),
        (("missing.py",), "does not exist"),
        (("--suite", "--patches", "no-such"), "no-such"),
    ],
    ids=str,
)
def test_mistakes_are_told_before_anything_runs(run_cli, arguments, said):
    done = run_cli("bench", *arguments, timeout=30)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- what is printed


def test_the_table_fits_a_hundred_columns_and_says_what_it_ran_on(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = render_bench(attention_bench())
    assert max(map(len, text.splitlines())) <= 100
    head = text.splitlines()[0]
    for part in ("torch 2.13.0+cpu", "AMD EPYC, 2 threads", "float32", "8 heads of 64"):
        assert part in head
    assert "load average" not in text


def test_the_table_is_sorted_and_tells_ratios_memory_and_compile_time_apart():
    lines = render_bench(attention_bench(("causal",))).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("512 tokens"))
    assert lines[first + 1].split()[0] == "flex-compiled"
    assert {"1.00×", "7.2", "4.2", "5"} <= set(lines[first + 1].split())
    assert lines[first + 2].split()[0] == "sdpa-flash"
    assert "1.37×" in lines[first + 2]


def test_what_was_not_run_says_why_in_the_table():
    text = render_bench(attention_bench(("causal",)))
    assert "not run: it stores all scores or the full mask: 7.0 GB needed, 3.2 GB free" in text


def test_what_no_size_supports_is_said_once_for_the_case():
    text = render_bench(attention_bench(("causal",)))
    assert text.count("sdpa-cudnn") == 1
    assert "not on this device" in text


def test_a_wide_spread_and_a_busy_machine_are_said():
    noisy = row("causal", 512, "x", 1.0, p25=0.5, p75=1.5, noisy=True)
    bench = attention_bench()
    busy = replace(bench, rows=ranked([noisy]), environment={**bench.environment, "load_average": 6.6})
    text = render_bench(busy)
    assert "100 %!" in text
    assert "! spread above a tenth" in text
    assert "load average 6.6 on 2 cores" in text


def test_a_spread_of_two_calls_is_none():
    bench = replace(attention_bench(), rows=ranked([row("decode", 512, "x", 1.0, calls=2)]))
    text = render_bench(bench)
    assert "5 %" not in text
    assert "fewer than 4 calls" in text


def test_control_characters_of_a_reason_stay_out_of_the_terminal():
    bench = Bench("x\x1b[31m", {}, {}, (Row("forward", None, "eager", "failed", reason="\x1b[2J"),))
    assert "\x1b" not in render_bench(bench)


def test_recipes_are_named():
    patches = ({"id": "cpu-flex-query-view", "state": "active", "reason": None},)
    assert "active recipes: cpu-flex-query-view" in render_bench(replace(attention_bench(), patches=patches))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1.234, "1.23 s"),
        (0.0123, "12.3 ms"),
        (0.4567, "457 ms"),
        (4.5e-6, "4.50 µs"),
        (0.99996, "1,000 ms"),
    ],
)
def test_times_have_three_figures(value, text):
    assert seconds(value) == text


def test_json_has_the_contracts_keys_and_unrounded_figures():
    found = json.loads(json.dumps(as_dict(attention_bench())))
    assert found["schema"] == "compile-doctor/bench/1"
    assert found["environment"]["torch"] == "2.13.0+cpu"
    first = found["rows"][0]
    assert (first["case"], first["tokens"], first["status"], first["ratio"]) == ("causal", 512, "measured", 1.0)
    assert first["median_seconds"] == 512 * 512 * 8e-9
    assert first["seconds_per_token"] == first["median_seconds"] / 512


def test_the_manuals_example_has_the_keys_of_the_json():
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    block = next(one for one in re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if "bench/1" in one)
    said, real = json.loads(block), as_dict(attention_bench())
    assert list(said) == list(real)
    assert list(said["rows"][0]) == list(real["rows"][0])


def test_settings_are_plain_data():
    assert json.loads(json.dumps(BenchSettings(tokens=(1, 2)).tokens)) == [1, 2]
