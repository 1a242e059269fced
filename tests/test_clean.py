"""No string of others, wherever it is kept, reaches a terminal, a log or a file with a character that cannot be seen."""

from __future__ import annotations

import ast
import json
import os
import sys
import types
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from random import Random
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from xml.etree import ElementTree

import msgspec
import pytest
from bench_helper import INPUTS
from helpers import a_break, compilation, evidence, write_capture

from compile_doctor.bench.result import Bench
from compile_doctor.clean import clean, quoted, say, without_commands
from compile_doctor.cli.options import OutputOptions
from compile_doctor.cli.output import print_data, write_report
from compile_doctor.coldstart.result import ColdStart, Started
from compile_doctor.gate import baseline, regressions
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Span, Timing
from compile_doctor.parity.result import Parity
from compile_doctor.render import bench_renderer, coldstart_renderer, formats, gate_renderer, parity_renderer, renderer
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report
from compile_doctor.source.spans import Spans

UNSEEN = {
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and chr(code) not in "\t\n"
} | set("\u115f\u1160\u3164\uffa0\u034f\ufffe\uffff")
SAMPLE = "\u200e\u200f\u061c\u202e\u2066\u200b\u200d\u2060\ufeff\u2028\u2029\x00\x07\x08\x1b\x7f\x85\x9b\xad\r\ud800\udc80\U000e0041\u3164"
HOSTILE = f"a.py:f{SAMPLE}\n::error file=x::forged\nHEALTHY   forged\n\t::add-mask::x\r\nz ##[error]y ]]> | ` <b> %0A"
KNOWN = {
    (Report, "verdict"): "unhealthy",
    "severity": "error",
    "owner": "mine",
    "status": "regression",
    "direction": "forward",
    (Started, "name"): "cold",
    (Span, "phase"): "kernels",
    (Timing, "phases"): "kernels",
}
"""What a renderer looks up: words of ours, which come from nowhere else."""


def test_the_forbidden_characters_are_unicodes_own():
    assert {character for character in UNSEEN if clean(f"x{character}") == f"x{character}"} == set()
    assert clean("größe 模型 🔥 ⚠️ e\u0301 \\x1b\t\n") == "größe 模型 🔥 ⚠️ e\u0301 \\x1b\t\n"


def test_what_is_written_out_can_be_recognised():
    assert clean("a\u202eb\x1b[2J\udc80\U000e0041") == r"a\u202eb\x1b[2J\udc80\U000e0041"
    assert clean("\ufeffone\r\ntwo\rthree") == "one\ntwo\nthree"
    assert clean({"a\nb": "c\nd"}) == {r"a\nb": "c\nd"}
    once = clean(HOSTILE)
    assert clean(once) is once
    clean_already = ("a", {"b": ["c"]}, 1.0, None)
    assert clean(clean_already) is clean_already


# --- a structure in which every string is hostile, made from the types of the fields: a new field is covered by itself


def made(kind: Any, name: str = "", owner: Any = None, depth: int = 0) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is str:
        return KNOWN.get((owner, name), KNOWN.get(name, HOSTILE))
    if origin in (Union, types.UnionType):
        return made(next(one for one in arguments if one is not type(None)), name, owner, depth)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        shown = arguments[:1] * 2 if len(arguments) == 2 and arguments[1] is Ellipsis else arguments
        return tuple(made(one, name, owner, depth + 1) for one in shown)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {HOSTILE: made(arguments[1], name, owner, depth + 1)}
    if is_dataclass(kind):
        hints = get_type_hints(kind, vars(sys.modules[kind.__module__]))
        return kind(**{one.name: made(hints[one.name], one.name, kind, depth + 1) for one in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, tuple):  # a NamedTuple
        return kind(**{one: made(hint, one, kind, depth + 1) for one, hint in get_type_hints(kind).items()})
    if origin is Annotated:
        return made(arguments[0], name, owner, depth)
    if kind is Any:
        return HOSTILE
    if kind is bytes:
        return zlib.compress(HOSTILE.encode("utf-8", "replace"))  # of a text that is kept packed
    return {int: 7, float: 0.5, bool: True}[kind]


def report() -> Report:
    found = made(Report)
    summary = dict.fromkeys(
        (
            "graphs",
            "graph_breaks",
            "deliberate_breaks",
            "recompiles",
            "frames_compiled",
            "frames_skipped",
            "ops_captured",
            "compile_seconds",
        ),
        3,
    )
    ranks = found.ranks
    rows = tuple(replace(row, figures=summary) for row in ranks.rows) if ranks else ()
    place = found.findings[0].location.file
    bytecode = {f"{place}:{HOSTILE}:7": {"text": HOSTILE, "note": HOSTILE, "path": HOSTILE}}
    values = {
        "summary": summary,
        "ranks": replace(ranks, rows=rows) if ranks else None,
        "sources": {place: f"{HOSTILE}\n" * 9},
        "bytecode": bytecode,
        "command_exit": None,
    }
    environment = dict.fromkeys(("torch", "device", "backend", "gpu", HOSTILE), HOSTILE)
    return type(found)(**{**vars(found), **values, "environment": environment})


def gate() -> Gate:
    found = made(Gate)
    outcome = found.outcomes[0]
    whole = type(outcome)(**{**vars(outcome), "report": report()})
    others = (type(outcome)(**{**vars(whole), "status": status}) for status in ("inconclusive", "pass", "better"))
    return type(found)(**{**vars(found), "outcomes": (whole, *others)})


def parity() -> Parity:
    found = made(Parity)
    cells = [
        type(one)(**{**vars(one), "status": status, "known": None})
        for one, status in zip(found.cells, ("FAIL", "PASS"))
    ]
    return type(found)(
        **{**vars(found), "cells": (*found.cells, *cells), "environment": {"torch": HOSTILE, "gpu": HOSTILE}}
    )


def bench() -> Bench:
    found = made(Bench)
    rows = [
        type(one)(**{**vars(one), "status": status, "reason": HOSTILE})
        for one, status in zip(found.rows * 4, ("measured", "failed", "unsupported", "not-run"))
    ]
    patches = tuple({"id": HOSTILE, "state": state, "reason": HOSTILE} for state in ("active", "refused"))
    environment = {"torch": HOSTILE, "gpu": HOSTILE, "dtype": HOSTILE, "load_average": 9.0, "cores": 1}
    return type(found)(
        **{**vars(found), "rows": tuple(rows), "patches": patches, "environment": environment, "inputs": INPUTS}
    )


def shown() -> Iterator[tuple[str, str]]:
    for verbosity in (0, 2):
        for name in formats():
            yield f"report-{name}-{verbosity}", renderer(name)(report(), verbosity)
            yield f"gate-{name}-{verbosity}", gate_renderer(name)(gate(), verbosity)
        for name in formats("parity"):
            yield f"parity-{name}-{verbosity}", parity_renderer(name)(parity(), verbosity)
    for name in formats("coldstart"):
        yield f"coldstart-{name}-0", coldstart_renderer(name)(made(ColdStart), 1)
    for name in formats("bench"):
        yield f"bench-{name}-0", bench_renderer(name)(bench())


SHOWN = dict(shown())


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, list) else (*value, *value.values()) if isinstance(value, dict) else ():
        yield from strings(item)


@pytest.mark.parametrize("name", SHOWN)
def test_no_format_lets_through_what_cannot_be_seen(name):
    text = SHOWN[name]
    assert not UNSEEN.intersection(text)
    assert "u202e" in text
    kind = name.split("-")[1]
    if kind in ("json", "sarif", "gitlab", "perfetto"):
        assert not UNSEEN.intersection("".join(strings(json.loads(text))))
    if kind == "junit":
        root = ElementTree.fromstring(text)
        seen = [part for one in root.iter() for part in (one.text or "", *one.attrib.values())]
        assert not UNSEEN.intersection("".join(seen))


@pytest.mark.parametrize("name", [name for name in SHOWN if name.split("-")[1] == "text"])
def test_no_text_of_others_begins_a_line_of_the_text(name):
    """Else an exception's message could write a verdict."""
    assert [line for line in SHOWN[name].split("\n") if line.startswith(("HEALTHY", "::", "z "))] == []
    assert "forged" in SHOWN[name]


def test_a_megabyte_in_one_line_is_cut_in_the_text_and_whole_in_json():
    found = report()
    finding = type(found.findings[0])(**{**vars(found.findings[0]), "message": "x" * 1_000_000, "fix": "y\n" * 500_000})
    long = type(found)(
        **{**vars(found), "findings": (finding,), "notes": ("z" * 1_000_000,), "reason": "v" * 1_000_000}
    )
    for verbosity in (0, 2):
        assert len(renderer("text")(long, verbosity)) < 80_000
    assert "x" * 1_000_000 in renderer("json")(long)


def test_a_name_longer_than_the_terminal_leaves_the_others_readable():
    found = gate()
    outcome = type(found.outcomes[0])("short", "pass", "why", None)
    long = type(outcome)("long" * 5000, "pass", "", None)
    text = gate_renderer("text")(type(found)(outcomes=(outcome, long), torch="2.13", device="cpu"))
    assert max(len(line) for line in text.splitlines() if line.startswith("short")) < 120


# --- messages


ARGUMENT = SAMPLE.replace("\0", "").replace("\ud800", "")
MESSAGES = {
    "usage": ("diagnose", f"mo{ARGUMENT}del.py"),
    "click": ("diagnose", "x.py", f"--no{ARGUMENT}"),
    "choice": ("report", "x", "--format", "a\x1b[2J"),
    "capture": ("report", f"cap{ARGUMENT}"),
    "explain": ("explain", "CD\x1b[2J\u202e"),
    "recipe": ("patches", "show", "no\x1b]0;title\x07"),
    "output": ("report", "x", "-o", "json:no\x1b[2J/x"),
}


@pytest.mark.parametrize("arguments", MESSAGES.values(), ids=MESSAGES)
def test_no_message_lets_through_what_cannot_be_seen(run_cli, arguments):
    done = run_cli(*arguments)
    assert done.returncode == 2
    assert "\\x" in done.stderr or "\\u" in done.stderr
    assert not UNSEEN.intersection(done.stderr + done.stdout)


RECIPE = r"""
id: mine
title: "A title \x1b[2J\u202e\u200e\u061c"
explanation: "Why \x1b]0;x\x07 \u2066"
workaround: "By hand \u202e"
affects: {torch: ">=0"}
action: warn
upstream: ["https://example.org/\u202e"]
verify: "assert False  # \u202e"
verify_fails: AssertionError
"""


@pytest.mark.parametrize("what", ["list --all", "list --all --format json", "show mine", "explain"])
def test_recipes_of_the_user_s_own_are_clean(run_cli, tmp_path, what):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "mine.yaml").write_text(RECIPE, encoding="utf-8")
    if what == "explain":
        done = run_cli("explain", "mine", env={"COMPILE_DOCTOR_RECIPES": str(folder)})
    else:
        done = run_cli("patches", "--recipes", folder, *what.split())
    assert done.returncode == 0, done.stderr
    assert "u202e" in done.stdout
    assert not UNSEEN.intersection(done.stdout + done.stderr)
    if "json" in what:
        assert not UNSEEN.intersection("".join(strings(json.loads(done.stdout))))


def test_the_path_of_a_capture_and_its_target_stay_recognisable(run_cli, tmp_path):
    folder = write_capture(tmp_path / "c\u202eo", target="mo\u200edel\x1b.py")
    done = run_cli("report", folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(r"mo\u200edel\x1b.py")


def test_a_crash_of_ours_is_clean_too(capsys):
    from compile_doctor.cli.crash import report_crash

    report_crash(ValueError(f"x{SAMPLE}"))
    shown = capsys.readouterr().err
    assert "u202e" in shown and not UNSEEN.intersection(shown)
    os.unlink(shown.split("the file ")[1].split(" at https")[0])


def test_what_a_target_printed_is_shown_without_colours_and_moves(capsys):
    say(quoted("\x1b[31mred\x1b[0;1m bold\x1b[0m \x1b[2J\x1b]0;title\x07 10%\r20%"))
    assert capsys.readouterr().err == "red bold \\x1b[2J\\x1b]0;title\\x07 10%\n20%\n"


def test_progress_keeps_to_its_line(monkeypatch, capsys):
    from compile_doctor.run.progress import _line

    monkeypatch.setenv("COLUMNS", "60")
    line = _line(f"reading {SAMPLE}{'long' * 5000}\nmore", " … 7 s")
    assert len(line) < 60 and line.endswith(" … 7 s") and not UNSEEN.intersection(line)


# --- GitHub's runner reads commands in whatever a step prints


def test_nothing_that_is_printed_is_a_command_to_the_runner(monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    for name in formats():
        write_report(report(), OutputOptions(name, verbose=2))
        lines = capsys.readouterr().out.splitlines()
        begin = ("::error ", "::warning ", "::notice ") if name == "github" else ()
        assert [line for line in lines if line.strip().startswith("::") and not line.startswith(begin)] == []
        assert [line for line in lines if "##[" in line and not line.startswith(begin)] == []
    say("one\n  ::add-mask::x\n##[error]y std::vector")
    assert capsys.readouterr().err == "one\n  \\u003a:add-mask::x\n#\\u0023[error]y std::vector\n"
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert without_commands("::error::x") == "::error::x"


def test_json_says_the_same_without_the_commands(monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    print_data(lambda colour: json.dumps({"a": "##[group] ::x"}))
    shown = capsys.readouterr().out
    assert "##[" not in shown and json.loads(shown) == {"a": "##[group] ::x"}


# --- ten thousand findings


def test_ten_thousand_findings_read_each_file_once(monkeypatch):
    """Counted, not timed: a source is parsed a few times for all its facts, and never again for a finding."""
    count, files = 5_000, 40
    sources, breaks, compilations = {}, [], [compilation()]
    for number in range(files):
        lines = ["import torch"]
        for one in range(count // files):
            lines += [f"def f{number}_{one}(x):", f"    print({one})", "    return x"]
        sources[f"/work/project/m{number}.py"] = "\n".join(lines)
    for number in range(count):
        file, line = f"/work/project/m{number % files}.py", 3 + 3 * (number // files)
        frame = Frame(file, line, f"f{number % files}_{number // files}")
        values = {"function": frame.function, "file": file, "line": line - 1, "stack": (frame,), "graphs": 0}
        compilations.append(compilation(number, guarded=False, fail_type="Unsupported", **values))
        breaks.append(a_break(number + 1, file=file, line=line, stack=(frame,)))
    parses = Counter()
    parse = ast.parse

    def counted(source, *arguments, **options):
        parses[source] += 1
        return parse(source, *arguments, **options)

    monkeypatch.setattr(ast, "parse", counted)
    seen = evidence(breaks=tuple(breaks), compilations=tuple(compilations), sources=sources, logs=())
    found = make_report(seen)
    assert len(found.findings) == 2 * count and not any("failed" in why for _, why in found.skipped_checks)
    assert max(parses.values()) <= 6 and len(parses) <= files + 50
    known = baseline.snapshot("all", found)
    entries = tuple(msgspec.structs.replace(one, cause="other") for one in known.findings)
    other = msgspec.structs.replace(known, findings=entries)
    worse, better = regressions.compare(other, known, found, ("mine",), lambda finding: "")
    assert len(worse) == len(better) == 2 * count
    outcome = Outcome("all", "regression", "worse", found, tuple(worse), tuple(better))
    for name in formats():
        assert renderer(name)(found, name == "text") and gate_renderer(name)(Gate((outcome,), "2.13", "cpu"))


def test_a_change_that_stands_for_many_names_a_few_lines():
    findings = [replace(made(Finding), location=Location("m.py", line, "f")) for line in range(1, 40)]
    text = regressions.named(baseline.identity(findings[0]), *findings)
    assert "m.py:1 or 2 or 3" in text and "30 more" in text and len(text) < 2000


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_those_that_a_search_finds(seed):
    random = Random(seed)
    items = []
    for number in range(40):
        first = random.randint(1, 30)
        items.append((first, min(30, first + random.randint(0, 12)), number))
    spans = Spans(items)
    for line in range(32):
        expected = sorted(item for item in items if item[0] <= line <= item[1])
        assert sorted(spans.around(line)) == expected


def test_what_is_gone_and_new_is_paired_as_before():
    """Against the plain search that took the square of the number of entries."""
    for seed in range(50):
        random = Random(seed)
        old, new = ([(random.choice("ab"), random.choice("cd")) for _ in range(9)] for _ in range(2))
        gone, added = list(old), []
        for one in new:
            if one in gone:
                gone.remove(one)
            else:
                added.append(one)
        assert baseline.differences(old, new) == (gone, added)
