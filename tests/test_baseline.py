"""Baselines that are damaged, foreign or of others: never a crash, never a pass. No torch, no child process."""

from __future__ import annotations

import datetime
import json
import os
import random
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from baseline_mutations import MUTATIONS, bytes_of
from conftest import ROOT
from helpers import a_break, evidence
from msgspec.structs import replace as changed

from compile_doctor.capture import load_capture
from compile_doctor.checks import all_checks, find_check
from compile_doctor.cli import gate
from compile_doctor.cli.baseline_diff import diff_baselines
from compile_doctor.errors import InconclusiveError
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate import decide as judge
from compile_doctor.gate.baseline import SCHEMA, Baseline, parse, snapshot, text_of
from compile_doctor.gate.baseline_files import find, known, load, path_of, stored, write
from compile_doctor.gate.config import Configuration
from compile_doctor.gate.config_tables import GateTarget, Waiver
from compile_doctor.gate.outcome import Gate
from compile_doctor.model.findings import Location
from compile_doctor.report.make import make_report

TODAY = datetime.date(2026, 11, 21)
RECORDINGS = ROOT / "tests" / "evidence" / "mutations"
INPUTS = 4000
SEED = 16


HALF_A_PLACE = {"code": "CD101", "upstream": None, "owner": "mine", "file": None, "function": "f", "cause": "print"}


def recorded(name):
    return make_report(load_capture(RECORDINGS / f"{name}.zip"))


@pytest.fixture(scope="module")
def reports():
    """A model with findings and attention, and the same with a dense call more."""
    return recorded("dense"), recorded("dense--a-third-dense-call")


def configured(folder, *names, **values):
    targets = tuple(GateTarget(name, "model.py") for name in names)
    return Configuration(folder / "pyproject.toml", folder / "baselines", targets, **values)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """What `check` makes of a report of the target `vit`, or of another."""

    def outcome(report, name="vit", **values):
        monkeypatch.setattr(judge, "make_report", lambda evidence: report)
        return judge.judge(GateTarget(name, "model.py"), evidence(), configured(tmp_path, name, **values), TODAY)

    return outcome


def place(folder, entry):
    return path_of(folder / "baselines", entry.target, entry.torch, entry.device)


# Mutations


def facts(entry: Baseline):
    """What is judged. A function or file that is there no longer was renamed: names are not part of it."""
    figures = (entry.summary.graphs, entry.summary.frames_skipped, entry.summary.recompiles)
    causes = Counter((one.code, one.upstream, one.owner, one.cause) for one in entry.findings)
    calls = Counter((one.api, one.verdict) for one in entry.attention)
    return figures, set(causes), calls


def is_worse(entry: Baseline, original: Baseline):
    """Whether a baseline says, validly, that more was wrong when it was made."""
    figures, causes, calls = facts(entry)
    before, known_causes, known_calls = facts(original)
    more = any(one > other for one, other in zip(figures, before, strict=True))
    return (
        more or bool(causes - known_causes) or bool(calls - known_calls) or len(entry.findings) > len(original.findings)
    )


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_mutated_baseline_is_never_a_crash_and_never_a_pass(tmp_path, judged, reports, kind):
    same, worse = reports
    entry = snapshot("vit", same)
    path = place(tmp_path, entry)
    write(path, entry)
    original = path.read_bytes()
    assert judged(same).status == "pass" and judged(worse).status == "regression"
    found = Counter()
    for number in range(INPUTS // len(MUTATIONS)):
        draw = random.Random(f"{SEED}/{kind}/{number}")
        path.write_bytes(content := MUTATIONS[kind](original, draw))
        outcome = judged(same)
        found[outcome.status] += 1
        if outcome.status in ("pass", "better"):
            read = parse(content)
            assert outcome.status == "better" or facts(read) == facts(entry), content
            assert outcome.status == "pass" or is_worse(read, entry), content
            assert not baseline.foreign(read, entry) and read.settings == entry.settings
        elif outcome.status == "inconclusive":
            assert outcome.reason and outcome.hint == "compile-doctor baseline update vit", content
        assert judged(worse).status in ("regression", "inconclusive"), "what is worse than the original stays so"
        list(stored(tmp_path / "baselines"))
    assert found["inconclusive"] or kind in ("shuffled", "other figure"), found
    assert kind != "shuffled" or found == {"pass": found["pass"]}, "the same in another order"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"summary": {}}, "summary: Object missing required field `graphs`"),
        ({"findings": [3]}, "findings[0]: Expected `object`, got `int`"),
        ({"findings": [HALF_A_PLACE]}, "findings[0]: Expected both `file` and `function` to be null, or none"),
        ({"attention": [{}]}, "attention[0]: Object missing required field `file`"),
        ({"torch": "2"}, "torch: Expected `str` matching"),
        ({"schema": "compile-doctor/baseline/2"}, f"'compile-doctor/baseline/2', but this version reads {SCHEMA}"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_the_reason_names_file_and_field(tmp_path, judged, reports, change, message):
    entry = snapshot("vit", reports[0])
    path = place(tmp_path, entry)
    path.parent.mkdir()
    path.write_bytes(bytes_of({**json.loads(text_of(entry)), **change}))
    outcome = judged(reports[0])
    assert outcome.status == "inconclusive" and message in outcome.reason and path.name in outcome.reason


def test_a_verdict_or_call_that_makes_no_sense(reports):
    document = json.loads(text_of(snapshot("vit", reports[0])))
    first = document["attention"][0]
    for calls, message in (
        ([{**first, "verdict": "fine"}], "attention[0].verdict"),
        ([{**first, "number": 0}], "attention[0].number"),
        ([first, first], "are numbered 1, 1"),
        ([{**first, "number": 2}], "are numbered 2"),
    ):
        with pytest.raises(InconclusiveError) as caught:
            parse(bytes_of({**document, "attention": calls}))
        assert message in str(caught.value)


def test_the_bytes_of_a_release_are_read_and_written_as_they_were(tmp_path):
    """`baseline/1` as 0.1.0 has it."""
    text = """\
{
 "attention": [
  {
   "api": "sdpa",
   "file": "model.py",
   "function": "Model.forward",
   "number": 1,
   "verdict": "fused"
  }
 ],
 "device": "cpu",
 "findings": [
  {
   "cause": "print",
   "code": "CD101",
   "file": "model.py",
   "function": "Model.forward",
   "owner": "mine",
   "upstream": "GB0059"
  }
 ],
 "schema": "compile-doctor/baseline/1",
 "settings": {
  "as_is": true,
  "repeat": 2
 },
 "summary": {
  "frames_compiled": 2,
  "frames_skipped": 0,
  "graphs": 2,
  "ops_captured": 3,
  "recompiles": 0
 },
 "target": "vit",
 "torch": "2.13"
}
"""
    (tmp_path / "vit.torch-2.13.cpu.json").write_text(text)
    entry = load(path_of(tmp_path, "vit", "2.13.1+cpu", "cpu"))
    assert entry is not None and text_of(entry) == text
    assert parse(text.replace("\n", "\r\n").encode()) == entry, "a checkout of Windows"


# A baseline is one target's, on one torch and one device


def test_names_that_are_file_names_stay_and_others_share_none(tmp_path):
    plain = ("vit", "vit-a", "vit.b", "a_1", "x")
    odd = (
        "vit/a",
        "vit a",
        "VIT",
        "Vit",
        "vit-",
        "-vit",
        ".vit",
        "Größe",
        "größe",
        "..",
        "/",
        "vit\n",
        "x" * 300,
        "é",
        "e\u0301",
    )
    files = [path_of(tmp_path, name, "2.13.0", "cpu").name for name in (*plain, *odd)]
    assert files[: len(plain)] == [f"{name}.torch-2.13.cpu.json" for name in plain]
    assert len({name.casefold() for name in files}) == len(files), "not on a file system without upper case either"
    assert all(re.fullmatch(r"[a-z0-9_.-]{1,150}", name) and not name.startswith((".", "-")) for name in files)
    assert files == [path_of(tmp_path, name, "2.13.0", "cpu").name for name in (*plain, *odd)], "the same each time"
    assert path_of(tmp_path, "vit", "2.13.0", "../cuda:1").parent == tmp_path


def test_two_targets_whose_names_are_alike_have_a_baseline_each(tmp_path, judged, reports):
    same, worse = reports
    for name, report in (("vit/a", worse), ("vit-a", same), ("VIT", worse), ("vit", same)):
        entry = snapshot(name, report)
        write(place(tmp_path, entry), entry)
    assert judged(worse, "vit/a").status == judged(worse, "VIT").status == "pass"
    assert judged(worse, "vit-a").status == judged(worse, "vit").status == "regression"


def test_an_older_file_of_such_a_name_is_still_its_own(tmp_path, judged, reports):
    entry = snapshot("vit/a", reports[0])
    folder = tmp_path / "baselines"
    older = folder / "vit-a.torch-2.13.cpu.json"
    write(older, entry)
    assert find(folder, "vit/a", entry.torch, entry.device) == older and known(folder, "vit/a", entry.torch)
    assert judged(reports[0], "vit/a").status == "pass"
    other = judged(reports[0], "vit-a")
    assert other.status == "inconclusive" and "target 'vit/a', not 'vit-a'" in other.reason
    said = gate._write(configured(tmp_path, "vit/a"), entry)
    assert "replaces" in said and not older.exists() and place(tmp_path, entry).exists()
    assert judged(reports[0], "vit/a").status == "pass"


@pytest.mark.parametrize("what", ["target", "torch", "device"])
def test_a_file_copied_from_another_is_never_a_pass(tmp_path, judged, reports, what):
    entry = snapshot("vit", reports[0])
    other = changed(entry, **{what: {"target": "gpt", "torch": "2.12", "device": "cuda"}[what]})
    source, here = place(tmp_path, other), place(tmp_path, entry)
    write(source, other)
    shutil.copy(source, here)
    outcome = judged(reports[0])
    assert outcome.status == "inconclusive" and f"{what} '{getattr(other, what)}', not" in outcome.reason
    assert outcome.hint == "compile-doctor baseline update vit"
    here.unlink()
    here.symlink_to(source)
    assert judged(reports[0]).status == "inconclusive"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("device", "cpu"), ("numerics", True), ("memory_limit", 8 << 30), ("patches", "auto"), ("dynamic", False)),
        *(("dynamic", True), ("tokens", 64), ("mode", "max-autotune"), ("grad", True), ("as_is", True), ("repeat", 3)),
    ],
)
def test_what_decides_the_run_is_in_the_settings(tmp_path, judged, reports, name, value):
    report = reports[0]
    entry = snapshot("vit", report)
    write(place(tmp_path, entry), entry)
    other = replace(report, settings={**report.settings, name: value})
    outcome = judged(other)
    assert outcome.status == "inconclusive" and f"{name} = " in outcome.reason and f"now {value}" in outcome.reason
    changed_entry = snapshot("vit", other)
    assert parse(text_of(changed_entry).encode()) == changed_entry
    write(place(tmp_path, entry), changed_entry)
    assert judged(other).status == "pass" and judged(report).status == "inconclusive"


@pytest.mark.parametrize(("name", "value"), [("timeout", 3.0), ("require_fused", True), ("chunks", (1, 2))])
def test_what_only_limits_or_judges_it_is_not(reports, name, value):
    report = reports[0]
    other = replace(report, settings={**report.settings, name: value})
    assert snapshot("vit", other) == snapshot("vit", report)


# Only a verdict is compared and written


def update(monkeypatch, folder, reports_by_name):
    """`baseline update` of targets that were run already: its exit code."""

    def run_targets(targets, jobs, backend, forks, cache, done, quiet):
        return [done(target, evidence()) for target in targets]

    found = iter(reports_by_name.values())
    monkeypatch.setattr(gate, "run_targets", run_targets)
    monkeypatch.setattr(gate, "make_report", lambda evidence: next(found))
    configuration = configured(folder, *reports_by_name)
    return gate.update_baselines(configuration, configuration.targets, None, None)


@pytest.mark.parametrize("verdict", ["inconclusive", "", "HEALTHY", "of a newer version"])
@pytest.mark.parametrize("graphs", [0, 1])
def test_without_a_verdict_nothing_is_as_good_and_nothing_is_written(
    tmp_path, judged, monkeypatch, capsys, reports, verdict, graphs
):
    entry = snapshot("vit", reports[1])
    write(place(tmp_path, entry), entry)
    before = place(tmp_path, entry).read_bytes()
    for findings in ((), reports[0].findings):
        report = replace(
            reports[0], verdict=verdict, reason="", unproven="", findings=findings,
            summary={**reports[0].summary, "graphs": graphs},
        )  # fmt: skip
        outcome = judged(report)
        assert outcome.status == "inconclusive" and outcome.reason == "The run was inconclusive."
        assert Gate((outcome,), "2.13.0", "cpu").exit_code == 3
        assert update(monkeypatch, tmp_path, {"vit": report}) == 3
        assert place(tmp_path, entry).read_bytes() == before
    assert "vit: not written: The run was inconclusive." in capsys.readouterr().out


def test_nor_is_one_that_lost_evidence_whatever_its_verdict(tmp_path, judged, monkeypatch, capsys, reports):
    """Graphs and findings may be among it, so that it would be better than its baseline."""
    entry = snapshot("vit", reports[1])
    write(place(tmp_path, entry), entry)
    before = place(tmp_path, entry).read_bytes()
    assert judged(reports[0]).status == "better"
    damaged = replace(reports[0], lost=("a record could not be read: line 3",))
    assert damaged.verdict == "unhealthy"
    outcome = judged(damaged)
    assert outcome.status == "inconclusive"
    assert outcome.reason == "Evidence is missing: a record could not be read: line 3."
    assert judged(replace(damaged, verdict="inconclusive", reason="x", unproven="x")).reason == "x"
    assert update(monkeypatch, tmp_path, {"vit": damaged}) == 3 and "not written" in capsys.readouterr().out
    assert place(tmp_path, entry).read_bytes() == before


def test_what_require_fused_lacks_may_hide_no_other_reason(tmp_path, judged, reports):
    entry = snapshot("vit", reports[0])
    write(place(tmp_path, entry), entry)
    lacking = replace(reports[0], verdict="inconclusive", reason="It ended early.", unproven="No call was seen.")
    assert judged(lacking).reason == "It ended early." and not judged(lacking).worse
    assert judged(replace(lacking, reason=lacking.unproven)).status == "inconclusive"


@pytest.mark.parametrize("code", [one.code for one in all_checks() if one.exit_code])
def test_no_waiver_covers_a_run_that_was_not_judged(tmp_path, judged, code):
    (broken,) = make_report(evidence(breaks=(a_break(),))).findings
    at_place = Location("model.py", 7, "Model.forward")
    outcome = find_check(code).finding("t", "m", location=at_place)
    waiver = Waiver(code, "model.py", "known", TODAY)
    assert judge.covers(changed(waiver, code=broken.code), "vit", replace(broken, location=at_place))
    assert not judge.covers(waiver, "vit", outcome)
    report = make_report(evidence())
    entry = snapshot("vit", report)
    write(place(tmp_path, entry), entry)
    dead = replace(report, verdict="inconclusive", reason="It failed.", findings=(outcome,))
    assert judged(dead, waivers=(waiver,)).status == "inconclusive"


# One that cannot be read is that target's affair


def odd(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.write_text("{")


KINDS = ("folder", "fifo", "device", "loop", "damaged")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unreadable_one_is_inconclusive_and_the_others_go_on(tmp_path, judged, reports, kind):
    odd(place(tmp_path, snapshot("vit", reports[0])), kind)
    fine = snapshot("gpt", reports[0])
    write(place(tmp_path, fine), fine)
    outcomes = judged(reports[0]), judged(reports[0], "gpt")
    assert [one.status for one in outcomes] == ["inconclusive", "pass"]
    assert "vit.torch-2.13.cpu.json" in outcomes[0].reason
    assert outcomes[0].hint == "compile-doctor baseline update vit"
    assert Gate(outcomes, "2.13.0", "cpu").exit_code == 3


@pytest.mark.parametrize("kind", KINDS)
def test_update_replaces_what_cannot_be_read_and_says_so(tmp_path, monkeypatch, capsys, judged, reports, kind):
    path = place(tmp_path, snapshot("vit", reports[0]))
    odd(path, kind)
    code = update(monkeypatch, tmp_path, {"vit": reports[0], "gpt": reports[0]})
    first, second = capsys.readouterr().out.splitlines()
    assert second == f"gpt: written: {os.path.relpath(path.with_name('gpt.torch-2.13.cpu.json'))}"
    if kind == "folder":  # not ours to delete
        assert code == 3 and first.startswith("vit: not written: ") and "cannot be written" in first
    else:
        assert code == 0 and "written: " in first and "replaces one that could not be used" in first
        assert path.is_file() and not path.is_symlink() and judged(reports[0]).status == "pass"
    assert not list(path.parent.glob(".*")), "no temporary file is left"


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, capsys, reports):
    (tmp_path / "baselines").write_text("a file")
    assert update(monkeypatch, tmp_path, {"vit": reports[0]}) == 3
    assert "cannot be written" in capsys.readouterr().out
    (tmp_path / "baselines").unlink()
    monkeypatch.setattr(baseline_files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert update(monkeypatch, tmp_path, {"vit": reports[0]}) == 3
    assert "No space left" in capsys.readouterr().out and not list((tmp_path / "baselines").iterdir())


def test_what_could_not_be_read_again_is_not_written(tmp_path, monkeypatch, capsys, reports):
    report = replace(reports[0], environment={**reports[0].environment, "torch": ""})
    assert update(monkeypatch, tmp_path, {"vit": report}) == 3
    assert (
        "cannot be stored as a baseline: torch: " in capsys.readouterr().out and not (tmp_path / "baselines").exists()
    )


def test_one_that_is_too_large_to_be_read_is_not_written(tmp_path, monkeypatch, reports):
    entry = snapshot("vit", reports[0])
    monkeypatch.setattr(baseline_files, "LARGEST", 100)
    with pytest.raises(InconclusiveError, match="it would have more than 100 bytes"):
        write(place(tmp_path, entry), entry)


def test_a_file_name_that_is_not_unicode_is_written_and_read(tmp_path, judged):
    """As os.fsdecode has it; seen once, because two targets of a repository are in one file."""
    report = make_report(evidence())
    (broken,) = make_report(evidence(breaks=(a_break(),))).findings
    report = replace(report, findings=(replace(broken, location=Location("caf\udce9.py", 7, "f")),))
    entry = snapshot("vit", report)
    assert write(place(tmp_path, entry), entry) and not write(place(tmp_path, entry), entry)
    assert judged(report).status == "pass"


def repository(folder, monkeypatch, *names):
    monkeypatch.chdir(folder)
    targets = "".join(f'[[tool.compile-doctor.targets]]\nname = "{name}"\ntarget = "model.py"\n' for name in names)
    Path("pyproject.toml").write_text(f'[tool.compile-doctor]\nbaseline-dir = "baselines"\n{targets}')


def test_prune_names_what_it_cannot_read_and_leaves_it(tmp_path, monkeypatch, capsys, reports):
    repository(tmp_path, monkeypatch, "vit")
    entries = [snapshot(name, reports[0]) for name in ("vit", "gone")]
    for entry in entries:
        write(place(tmp_path, entry), entry)
    folder = tmp_path / "baselines"
    (folder / "bad.torch-2.13.cpu.json").write_text("{")
    (folder / "package.json").write_text("{}")
    shutil.copy(place(tmp_path, entries[1]), folder / "copy.torch-2.13.cpu.json")
    assert gate.prune_baselines(dry_run=True) == 3 and place(tmp_path, entries[1]).exists()
    capsys.readouterr()
    assert gate.prune_baselines(dry_run=False) == 3
    said = capsys.readouterr()
    assert said.out == "deleted baselines/gone.torch-2.13.cpu.json\n"
    assert "not deleted: baselines/bad.torch-2.13.cpu.json is not a valid baseline" in said.err
    assert "baselines/copy.torch-2.13.cpu.json is a copy of gone.torch-2.13.cpu.json" in said.err
    left = {path.name for path in folder.iterdir()}
    assert left == {"vit.torch-2.13.cpu.json", "bad.torch-2.13.cpu.json", "copy.torch-2.13.cpu.json", "package.json"}


def test_diff_compares_the_others(tmp_path, monkeypatch, capsys, reports):
    repository(tmp_path, monkeypatch, "vit")
    old = changed(snapshot("vit", reports[0]), torch="2.12")
    for entry in (old, changed(snapshot("vit", reports[1]), torch="2.13")):
        write(place(tmp_path, entry), entry)
    assert diff_baselines("2.12", "2.13") == 0
    assert "new: " in capsys.readouterr().out
    (tmp_path / "baselines" / "bad.torch-2.13.cpu.json").write_text("{")
    assert diff_baselines("2.12", "2.13") == 3
    said = capsys.readouterr()
    assert "new: " in said.out and "not compared: baselines/bad.torch-2.13.cpu.json" in said.err
    place(tmp_path, old).write_text("[]")
    with pytest.raises(InconclusiveError, match=r"There are baselines for torch 2\.13"):
        diff_baselines("2.12", "2.13")
