"""Configuration, baselines and what the gate makes of a report. No torch, no child process."""

from __future__ import annotations

import datetime
import json
import multiprocessing
from dataclasses import replace

import pytest
from helpers import a_break, about, compilation, evidence, failure
from msgspec.structs import replace as changed

from compile_doctor.checks import find_check
from compile_doctor.cli.baseline_diff import differences
from compile_doctor.errors import UsageError
from compile_doctor.gate import baseline, baseline_files, regressions
from compile_doctor.gate.check_targets import settings_of
from compile_doctor.gate.config import Configuration, read_configuration
from compile_doctor.gate.config_tables import GateTarget, Waiver
from compile_doctor.gate.decide import judge, waiver_notes
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.render import formats, gate_renderer
from compile_doctor.report import make as report_module
from compile_doctor.report.make import make_report

TODAY = datetime.date(2026, 11, 21)
GOOD = """\
[tool.compile-doctor]
baseline-dir = ".baselines"
owners = ["mine", "dependency"]
jobs = 2

[[tool.compile-doctor.targets]]
name = "vit"
target = "models/vit.py"
tokens = 16384
require-fused = true

[[tool.compile-doctor.waivers]]
code = "CD101"
place = "models/vit.py:Model.forward"
reason = "upstream issue 1"
expires = 2027-01-01
"""


def test_a_configuration(tmp_path):
    (tmp_path / "pyproject.toml").write_text(GOOD)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    found = read_configuration(tmp_path / "deep" / "er")
    assert found.baseline_dir == tmp_path / ".baselines"
    assert found.targets == (GateTarget("vit", "models/vit.py", tokens=16384, require_fused=True),)
    assert found.owners == ("mine", "dependency") and found.jobs == 2
    assert found.waivers[0].expires == datetime.date(2027, 1, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tokens = 16384", "token = 16384", "unknown key 'token'; did you mean 'tokens'?"),
        ("baseline-dir", "baseline_dir", "did you mean 'baseline-dir'?"),
        ("tokens = 16384", 'tokens = "16384"', "tokens = '16384' is of the wrong type"),
        ("tokens = 16384", "tokens = true", "of the wrong type"),
        ('name = "vit"\n', "", "name is missing"),
        ('reason = "upstream issue 1"\n', "", "reason is missing"),
        ("expires = 2027-01-01", "", "expires is missing"),
        ("expires = 2027-01-01", 'expires = "soon"', "of the wrong type"),
        (
            '"dependency"]',
            '"everybody"]',
            "owners = ['mine', 'everybody'] is not valid: it has to be a list of mine, dependency, torch",
        ),
        ("jobs = 2", "jobs = 0", "jobs = 0 is not valid: it has to be a whole number of at least 1"),
        ("[tool.compile-doctor]", "[tool.compile-doctor", "is not valid TOML"),
    ],
)
def test_a_mistake_in_it(tmp_path, old, new, message):
    (tmp_path / "pyproject.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        read_configuration(tmp_path)
    assert message in str(caught.value) and "pyproject.toml" in str(caught.value)


def test_none_at_all(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    with pytest.raises(UsageError, match=r"no pyproject\.toml"):
        read_configuration(tmp_path)


# Baselines


def moved(lines):
    """The same break, further down in the file."""
    return evidence(breaks=(a_break(line=7 + lines),))


def configuration(tmp_path, **values):
    return replace(Configuration(tmp_path / "pyproject.toml", tmp_path / ".compile-doctor", ()), **values)


def written(tmp_path, found):
    report = make_report(found)
    entry = baseline.snapshot("vit", report)
    path = baseline_files.path_of(tmp_path / ".compile-doctor", "vit", entry.torch, entry.device)
    baseline_files.write(path, entry)
    return path


TARGET = GateTarget("vit", "model.py")


def outcome(tmp_path, found, target=TARGET, **values):
    return judge(target, found, configuration(tmp_path, **values), TODAY)


def test_a_baseline_has_no_lines_counts_or_times(tmp_path):
    path = written(tmp_path, moved(0))
    assert path.name == "vit.torch-2.13.cpu.json"
    before = path.read_bytes()
    assert not baseline_files.write(path, baseline.snapshot("vit", make_report(moved(0))))
    more = evidence(breaks=(a_break(), a_break()))  # seen twice
    slow = replace(more, compilations=(compilation(seconds=99.0),), environment={**more.environment, "torch": "2.13.1"})
    assert baseline.text_of(baseline.snapshot("vit", make_report(slow))).encode() == before
    assert json.loads(before)["findings"][0]["code"] == "CD101"
    assert '"line"' not in before.decode()


def test_as_good_as_the_baseline_is_a_pass(tmp_path):
    written(tmp_path, moved(0))
    assert outcome(tmp_path, moved(0)).status == "pass"


def test_a_new_finding_is_a_regression_with_its_line(tmp_path):
    written(tmp_path, evidence())
    found = outcome(tmp_path, moved(0))
    assert found.status == "regression"
    assert "CD101 graph-break" in found.reason and ":7)" in found.reason
    assert found.worse[0].finding.location.line == 7
    assert Gate((found,), "2.13.0", "cpu").exit_code == 1


def test_one_that_is_gone_is_better_and_passes(tmp_path):
    written(tmp_path, moved(0))
    found = outcome(tmp_path, evidence())
    assert found.status == "better" and "gone: CD101" in found.better[0].text
    assert found.hint == "compile-doctor baseline update vit"
    assert Gate((found,), "2.13.0", "cpu").exit_code == 0


def test_figures_are_compared(tmp_path):
    written(tmp_path, evidence())
    found = outcome(tmp_path, evidence(compilations=(compilation(), compilation(index=1))))
    assert found.status == "regression" and "2 graphs, 1 in the baseline" in [change.text for change in found.worse]


def test_somebody_elses_finding_fails_nothing_unless_asked(tmp_path):
    written(tmp_path, evidence())
    theirs = evidence(breaks=(a_break(file="/venv/lib/python3.11/site-packages/timm/layers.py"),))
    assert outcome(tmp_path, theirs).status == "pass"
    assert outcome(tmp_path, theirs, owners=("mine", "dependency")).status == "regression"


def test_without_a_baseline_or_with_other_settings_it_is_no_pass(tmp_path):
    found = outcome(tmp_path, evidence())
    assert found.status == "inconclusive" and found.hint == "compile-doctor baseline update vit"
    assert Gate((found,), "2.13.0", "cpu").exit_code == 3
    written(tmp_path, evidence())
    other = evidence(**about(options={"backend": "inductor"}))
    assert "other settings" in outcome(tmp_path, other).reason


def a_snapshot(torch, found, **values):
    entry = baseline.snapshot("vit", make_report(found))
    return changed(entry, torch=torch, **values)


def test_what_another_torch_makes_of_the_same_code_is_said_in_words():
    old = a_snapshot("2.8", moved(0))
    assert list(differences(old, changed(old, torch="2.9"))) == []
    renamed = a_snapshot("2.9", evidence(breaks=(a_break(upstream="GB9999"),)))
    assert list(differences(old, renamed)) == [
        "CD101 graph-break in Model.forward (model.py): cause print [GB0059] → print [GB9999]"
    ]
    new = a_snapshot("2.9", evidence(compilations=(compilation(), compilation(index=1))))
    assert list(differences(old, new)) == [
        "graphs: 1 → 2",
        "operators captured: 2 → 4",
        "frames compiled: 1 → 2",
        "gone: CD101 graph-break in Model.forward (model.py): print [GB0059]",
    ]
    call = baseline.Call("model.py", "Model.forward", "sdpa", 1, "dense")
    before, after = changed(old, attention=(call,)), changed(old, attention=(changed(call, verdict="fused"),))
    assert list(differences(before, after)) == ["sdpa in Model.forward (model.py): dense → fused"]
    other = changed(old, settings=changed(old.settings, tokens=64))
    assert list(differences(old, other)) == ["made with other settings: tokens = not given, now 64"]


def test_what_could_not_be_judged_is_no_pass(tmp_path):
    written(tmp_path, evidence())
    broken = evidence(
        failures=(failure("compiled"), failure("eager")),
        phases={"import": "done", "build": "done", "inputs": "done", "compiled": "failed", "eager": "failed"},
    )
    found = outcome(tmp_path, broken)
    assert found.status == "inconclusive"
    nothing = outcome(tmp_path, evidence(compilations=()))
    assert nothing.status == "inconclusive"
    assert Gate((), "2.13.0", "cpu").exit_code == 3, "nothing was checked"


def test_a_check_that_fails_on_the_evidence_is_no_pass(tmp_path, monkeypatch):
    written(tmp_path, evidence(breaks=(a_break(),)))
    real = report_module.all_checks()

    def detect(seen):
        raise RuntimeError("of our own")

    broken = tuple(replace(one, detect=detect) if one.code == "CD201" else one for one in real)
    monkeypatch.setattr(report_module, "all_checks", lambda: broken)
    target, settings = GateTarget("vit", "model.py"), configuration(tmp_path)
    known = judge(target, evidence(breaks=(a_break(),)), settings, TODAY)
    assert known.status == "inconclusive" and "CD201" in known.reason
    assert judge(target, evidence(breaks=(a_break(), a_break(line=20))), settings, TODAY).status == "regression"


def test_a_limit_that_nothing_was_measured_against_is_no_pass(tmp_path):
    unknown = evidence(compilations=(compilation(seconds=None),))
    written(tmp_path, unknown)
    assert outcome(tmp_path, unknown).status == "pass"
    for limit in ({"max_compile_seconds": 10}, {"max_peak_bytes": 1 << 30}):
        found = outcome(tmp_path, unknown, changed(TARGET, **limit))
        (key,) = limit
        assert found.status == "inconclusive" and key.replace("_", "-") in found.reason


def test_what_to_do_is_said_once_for_all_targets(tmp_path):
    settings = configuration(tmp_path)
    new = [judge(GateTarget(name, "model.py"), evidence(), settings, TODAY) for name in ("vit", "gpt")]
    assert gate_renderer("text")(Gate(tuple(new), "2.13.0", "cpu")).endswith(
        "Next: compile-doctor baseline update vit gpt\n"
    )
    written(tmp_path, evidence())
    worse = judge(GateTarget("vit", "model.py"), evidence(breaks=(a_break(),)), settings, TODAY)
    assert "If this is intended: compile-doctor baseline update vit " in gate_renderer("text")(
        Gate((worse,), "2.13.0", "cpu")
    )
    fused = judge(GateTarget("vit", "model.py", require_fused=True), evidence(breaks=(a_break(),)), settings, TODAY)
    assert fused.hint != worse.hint, "no baseline makes good what the configuration asks for"


def test_what_require_fused_cannot_prove_hides_no_regression(tmp_path):
    fused = about(options={"backend": "eager", "require_fused": True})
    target = GateTarget("vit", "model.py", require_fused=True)
    written(tmp_path, evidence(**fused))
    found = outcome(tmp_path, evidence(**fused), target)
    assert found.status == "inconclusive" and "No attention call was seen" in found.reason
    found = outcome(tmp_path, evidence(**fused, breaks=(a_break(),)), target)
    assert found.status == "regression" and "CD101" in found.reason
    written(tmp_path, evidence(**fused, breaks=(a_break(),)))
    assert outcome(tmp_path, evidence(**fused, breaks=(a_break(),)), target).status == "inconclusive"


def test_a_target_that_is_compiled_no_longer_is_no_pass(tmp_path):
    options = {"backend": "eager"}
    written(tmp_path, evidence(**about(options, as_is=True)))
    found = outcome(tmp_path, evidence(**about(options)))
    assert found.status == "inconclusive" and "as_is = True, now not given" in found.reason


def test_the_options_of_a_target_are_those_of_diagnose():
    target = GateTarget("vit", "model.py", tokens=64, grad=True, memory_limit="8GB", patches="auto", backend="inductor")
    found = settings_of(target, None)
    assert (found.tokens, found.grad, found.memory_limit, found.patches) == (64, True, 8 << 30, "auto")
    assert found.backend == "inductor" and settings_of(target, "eager").backend == "eager"
    with pytest.raises(UsageError, match="memory-limit: 'much' is not a valid size"):
        settings_of(changed(target, memory_limit="much"))
    assert Gate((Outcome("vit", "of a newer version", "", None),), "2.13.0", "cpu").exit_code == 3


def test_a_waiver_covers_its_finding_until_it_expires(tmp_path):
    written(tmp_path, evidence())
    (finding,) = make_report(moved(0)).findings
    place = f"{finding.location.file.removeprefix('/work/project/')}:{finding.location.function}"
    waiver = Waiver("CD101", place, "known", TODAY)
    found = outcome(tmp_path, moved(0), waivers=(waiver,))
    assert found.status == "pass" and found.worse[0].waived == "known"
    expired = changed(waiver, expires=TODAY - datetime.timedelta(days=1))
    found = outcome(tmp_path, moved(0), waivers=(expired,))
    assert found.status == "regression"
    unused = changed(waiver, code="CD102")
    configured = configuration(tmp_path, waivers=(expired, unused), targets=(TARGET,))
    notes = waiver_notes(configured, [found], TODAY)
    assert len(notes) == 2 and "expired on 2026-11-20" in notes[0] and "no longer covers anything" in notes[1]


def test_of_a_target_that_was_not_run_nobody_knows_what_a_waiver_covers(tmp_path):
    found = Outcome(TARGET.name, "pass", "", make_report(evidence()))
    unused = Waiver("CD102", "model.py", "known", TODAY)
    other = changed(TARGET, name="other")
    configured = configuration(tmp_path, waivers=(unused,), targets=(TARGET, other))
    assert waiver_notes(configured, [found], TODAY) == [], "only one was asked for"
    assert waiver_notes(configured, [found, Outcome("other", "inconclusive", "", None)], TODAY) == []
    here = replace(configured, waivers=(changed(unused, target=TARGET.name),))
    assert len(waiver_notes(here, [found], TODAY)) == 1
    (finding,) = make_report(moved(0)).findings
    dead = replace(found.report, findings=(find_check("CD003").finding("t", "m", location=finding.location),))
    assert waiver_notes(here, [replace(found, report=dead)], TODAY) == []


def test_what_backend_eager_cannot_see_makes_no_waiver_useless(tmp_path):
    report = make_report(evidence())
    eager = Outcome(TARGET.name, "pass", "", replace(report, settings={**report.settings, "backend": "eager"}))
    waivers = tuple(Waiver(code, "model.py", "known", TODAY) for code in ("CD106", "CD107", "CD301", "CD102"))
    configured = configuration(tmp_path, waivers=waivers, targets=(TARGET,))
    (note,) = waiver_notes(configured, [eager], TODAY)
    assert "CD102" in note


def test_thresholds_only_where_asked_for(tmp_path):
    slow = evidence(compilations=(compilation(seconds=99.0),))
    written(tmp_path, evidence())
    assert outcome(tmp_path, slow).status == "pass"
    target = GateTarget("vit", "model.py", max_compile_seconds=10)
    assert "compile time of 99.0 s, at most 10 s allowed" in outcome(tmp_path, slow, target).worse[0].text


def test_a_damaged_baseline_says_so_and_ends_nothing(tmp_path):
    path = written(tmp_path, evidence())
    for content, message in (("{", "is not JSON"), ('{"schema": "other"}', "its schema is 'other'")):
        path.write_text(content)
        found = outcome(tmp_path, evidence())
        assert found.status == "inconclusive" and message in found.reason and path.name in found.reason
        assert found.hint == "compile-doctor baseline update vit"


def _writer(folder, name):
    for number in range(50):
        entry = a_snapshot("2.13", evidence(), target=name)
        padding = tuple(baseline.Entry("CD101", None, "mine", "model.py", "f", str(one)) for one in range(300))
        entry = changed(entry, findings=padding, summary=changed(entry.summary, graphs=number))
        baseline_files.write(folder / "shared.json", entry)
        baseline_files.write(folder / f"{name}.json", entry)


def test_two_processes_writing_at_once_lose_nothing(tmp_path):
    workers = [multiprocessing.get_context("fork").Process(target=_writer, args=(tmp_path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        baseline_files.load(tmp_path / "shared.json")  # whole at any time
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"shared.json", "a.json", "b.json"}
    assert baseline_files.load(tmp_path / "a.json").summary.graphs == 49


@pytest.mark.parametrize("name", formats())
def test_every_format_has_the_gate(tmp_path, name):
    written(tmp_path, evidence())
    bad = outcome(tmp_path, moved(0))
    gate = Gate((bad, Outcome("mlp", "inconclusive", "It timed out.", None)), "2.13.0+cpu", "cpu", ("a note",))
    text = gate_renderer(name)(gate, 1, False)
    assert text == gate_renderer(name)(gate, 1, False)
    assert "CD101" in text and "mlp" in text and "timed out" in text


@pytest.mark.parametrize(
    ("was", "now", "status"),
    [
        ("flash-2", "efficient", "regression"),
        ("efficient", "flash-2", "pass"),
        ("flash-2", "flash-2", "pass"),
        (None, "efficient", "pass"),  # the baseline is of a version that did not write it
        ("flash-2", None, "pass"),  # unknown is no slower kernel
        ("flash-2", "something-new", "pass"),
    ],
)
def test_a_slower_kernel_is_a_regression_although_it_is_fused(was, now, status):
    report = make_report(evidence())
    call = baseline.Call("model.py", "Model.forward", "sdpa", 1, "fused", was)
    known = changed(baseline.snapshot("vit", report), attention=(call,))
    found = changed(known, attention=(changed(call, implementation=now),))
    worse, better = regressions.compare(known, found, report, ("mine",), lambda finding: "")
    assert bool(worse) == (status == "regression")
    texts = [change.text for change in (*worse, *better)]
    assert texts == (
        [f"attention in Model.forward (model.py) is computed by {now}, was {was}"]
        if {was, now} == {"flash-2", "efficient"}
        else []
    )
