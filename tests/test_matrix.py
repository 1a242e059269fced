"""`matrix` without torch: axes, cells, environments, what is kept, what is printed. Children are small shell scripts."""

from __future__ import annotations

import os
import re
import signal
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from compile_doctor.capture import load_capture
from compile_doctor.cli.matrix import _jobs
from compile_doctor.errors import UsageError
from compile_doctor.matrix import environments, plan, run
from compile_doctor.matrix.environments import Environment
from compile_doctor.matrix.kept import _verdict, finish, kept
from compile_doctor.matrix.result import Cell, Matrix
from compile_doctor.render.matrix_markdown import render as markdown
from compile_doctor.render.matrix_text import render as text
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target, parse_target
from compile_doctor.targets.variants import axes_of, combinations, requirements_of, text_of, value_of

RECORDINGS = ROOT / "tests" / "evidence" / "2.13.0"
HERE = Environment("2.13.0", "/usr/bin/python3")
QUIET = Progress(True)


def target(folder: Path, matrix: str = "") -> Target:
    file = folder / "model.py"
    file.write_text(matrix + "\ndef build_model(window=None): ...\n", encoding="utf-8")
    return parse_target(str(file))


def cells(folder: Path, matrix: str = "", *axes: str, timeout: float = 9.0, at: Environment = HERE):
    found = target(folder, matrix)
    return plan.cells(found, [at], axes_of(found, axes), ("--repeat", "3"), timeout, folder / "out")


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


# ---------------------------------------------------------------- axes


@pytest.mark.parametrize(
    "value", [True, False, None, 0, 1, 128, 1e-05, "128", "off", "none", "2.10", "inductor", "a b", ""]
)
def test_a_value_is_the_same_after_the_command_line(value):
    found = value_of(text_of(value))
    assert (type(found), found) == (type(value), value)


def test_what_a_target_declares_becomes_options(tmp_path):
    found = axes_of(target(tmp_path, 'MATRIX = {"window": [None, 256], "compile": ["off", "on"]}'), ())
    assert [[(k, v.label, v.options, v.compiled) for k, v in one.items()] for one in combinations(found)] == [
        [("window", "none", ("--set", "window=none"), True), ("compile", "off", ("--as-is",), False)],
        [("window", "none", ("--set", "window=none"), True), ("compile", "on", (), True)],
        [("window", "256", ("--set", "window=256"), True), ("compile", "off", ("--as-is",), False)],
        [("window", "256", ("--set", "window=256"), True), ("compile", "on", (), True)],
    ]


def test_values_with_names_of_their_own(tmp_path):
    declared = (
        'MATRIX = {"attention": {"full": {}, "local": {"window": 256, "--backend": "eager", "--compile": False}}}'
    )
    full, local = axes_of(target(tmp_path, declared), ())["attention"]
    assert (full.options, full.compiled) == ((), True)
    assert local.options == ("--set", "window=256", "--backend", "eager", "--as-is")
    assert not local.compiled


def test_the_command_line_replaces_an_axis_and_adds_others(tmp_path):
    found = axes_of(target(tmp_path, 'MATRIX = {"window": [None, 256]}'), ["window=64", "backend=inductor,eager"])
    assert {name: [one.options for one in values] for name, values in found.items()} == {
        "window": [("--set", "window=64")],
        "backend": [("--backend", "inductor"), ("--backend", "eager")],
    }


@pytest.mark.parametrize(
    ("declared", "axis", "said"),
    [
        ("N = 3\nMATRIX = {'window': [N]}", "", "MATRIX (line 2) is computed"),
        ("MATRIX = ['compile']", "", "MATRIX is not a dict of axes"),
        ("MATRIX = {'window': 3}", "", "MATRIX['window'] is neither a list of values nor a dict"),
        ("MATRIX = {'window': []}", "", "MATRIX['window'] is neither a list of values nor a dict"),
        ("MATRIX = {'a': {'b': {'--capture': 'x'}}}", "", "--capture is no axis"),
        ("MATRIX = {'a': {'b': {'window': [1]}}}", "", "'window' is not an argument, or an option, with a plain value"),
        ("MATRIX = {'window': [1, 1]}", "", "has the value '1' twice"),
        ("", "window", "give NAME=VALUE,VALUE"),
        ("", "compile=maybe", "has no value 'maybe'. Give one of on, off"),
        ("", "no-name=1", "neither an option of diagnose nor the name of an argument"),
    ],
)
def test_an_axis_that_cannot_be_read_is_named(tmp_path, declared, axis, said):
    with pytest.raises(UsageError) as raised:
        axes_of(target(tmp_path, declared), [axis] if axis else [])
    assert said in str(raised.value)


def test_requirements_go_by_the_version_of_torch(tmp_path):
    found = target(
        tmp_path, 'MATRIX_REQUIREMENTS = {"<2.10": ["torchao==0.13.0"], ">=2.10": ["torchao==0.18.0"], "": ["einops"]}'
    )
    assert requirements_of(found, "2.8.0") == ("torchao==0.13.0", "einops")
    assert requirements_of(found, "2.15.0.dev1") == ("torchao==0.18.0", "einops")
    assert requirements_of(found, None) == ()
    with pytest.raises(UsageError, match="MATRIX_REQUIREMENTS"):
        requirements_of(target(tmp_path, 'MATRIX_REQUIREMENTS = {"all of them": ["x"]}'), "2.8.0")


# ---------------------------------------------------------------- environments


def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    script(tmp_path / "uv", body)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(environments, "cache_place", lambda: tmp_path / "cache")


def test_what_uv_refuses_is_the_reason_of_the_cell_and_never_a_pass(tmp_path, monkeypatch):
    fake_uv(
        tmp_path,
        monkeypatch,
        'case "$1" in pip) echo "  × No solution found: torchao needs torch>=2.10" >&2; exit 1;; esac',
    )
    made = environments.make("2.8.0", ["torchao==0.18.0"])
    assert made.problem == "The environment could not be made: No solution found: torchao needs torch>=2.10"
    table = run.begin(cells(tmp_path, at=made), tmp_path / "out", False, QUIET)
    found = Matrix("model.py", (), table.cells, "")
    assert table.left == []
    assert [(cell.verdict, cell.reason) for cell in found.cells] == [("not-run", made.problem)]
    assert found.exit_code == 3


def test_an_environment_is_made_once_and_again_after_a_failure(tmp_path, monkeypatch):
    body = f"""echo "$@" >> {tmp_path}/calls; case "$1" in
venv) for last; do true; done; mkdir -p "$last/bin"; cp {tmp_path}/python "$last/bin/python";;
pip) test -e {tmp_path}/works;; esac"""
    script(tmp_path / "python", "true")
    fake_uv(tmp_path, monkeypatch, body)
    assert environments.make("2.8.0", ["einops"]).problem
    (tmp_path / "works").touch()
    made = environments.make("2.8.0", ["einops"])
    assert not made.problem and Path(made.python).exists()
    assert environments.make("2.8.0", ["einops"]) == made
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in calls] == ["venv", "pip"] * 2
    assert "torch==2.8.0" in calls[-1] and "einops" in calls[-1] and "msgspec>=" in calls[-1]
    assert environments.make("2.8.0", []).python != made.python


def test_a_python_without_torch_is_named(tmp_path):
    python = script(tmp_path / "python", 'echo "PackageNotFoundError: torch" >&2; exit 1')
    assert environments.existing(python).problem == f"{python} has no torch: PackageNotFoundError: torch"
    python = script(tmp_path / "other", "echo 2.13.0")
    assert environments.existing(python) == Environment("2.13.0", python)
    with pytest.raises(UsageError, match="there is no such program"):
        environments.existing(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="this is not a version"):
        environments.all_requirements("newest", [])


def test_the_copy_for_an_environment_is_complete_and_alone(tmp_path):
    copy = plan.copy_of_doctor(tmp_path)
    assert [path.name for path in copy.iterdir()] == ["compile_doctor"]
    assert (copy / "compile_doctor" / "recipes" / "shipped" / "cpu-flex-openmp.yaml").exists()
    assert list((copy / "compile_doctor" / "recipes" / "patches").glob("*.py"))
    assert not list(copy.rglob("__pycache__"))


# ---------------------------------------------------------------- running, and what is kept


def recorded(wanted: plan.Wanted, name: str = "cd102-fires") -> dict:
    """The cell's folder as a run would leave it."""
    wanted.folder.mkdir(parents=True)
    with zipfile.ZipFile(RECORDINGS / f"{name}.zip") as archive:
        archive.extractall(wanted.folder / "capture")
    (wanted.folder / "output.txt").write_text("printed\n", encoding="utf-8")
    return {"exit_code": 1, "ended": "exited", "began": 2e9, "seconds": 3.0}


@pytest.fixture
def _files_exist(monkeypatch):
    """The files of the recording's machine: unchanged since long ago."""
    stat = SimpleNamespace(exists=lambda: True, stat=lambda: SimpleNamespace(st_mtime=1e9))
    monkeypatch.setattr("compile_doctor.matrix.kept._here", lambda file, cwd: stat)


@pytest.mark.usefixtures("_files_exist")
def test_a_finished_cell_is_read_and_kept(tmp_path):
    wanted = cells(tmp_path, "", "window=3")[0]
    cell = finish(wanted, recorded(wanted))
    assert (cell.verdict, cell.values, cell.resumed) == ("unhealthy", {"window": "3"}, False)
    assert cell.cause is not None and cell.cause.code == "CD102"
    again = kept(wanted)
    assert again is not None and again.resumed and replace(again, resumed=False).cause == cell.cause


@pytest.mark.usefixtures("_files_exist")
def test_what_changed_is_not_kept(tmp_path):
    wanted = cells(tmp_path)[0]
    finish(wanted, recorded(wanted))
    assert kept(wanted) is not None
    assert kept(replace(wanted, key="another")) is None
    others = [cells(tmp_path, "# a comment"), cells(tmp_path, timeout=8), cells(tmp_path, "", "grad=on")]
    assert all(one[0].key != wanted.key and kept(one[0]) is None for one in others)
    (wanted.folder / "cell.json").unlink()
    assert kept(wanted) is None  # it was interrupted


def test_a_cell_whose_own_files_changed_is_not_kept(tmp_path, monkeypatch):
    wanted = cells(tmp_path)[0]
    finish(wanted, recorded(wanted))
    file = tmp_path / "helper.py"
    loaded = load_capture(wanted.folder / "capture")
    loaded = replace(loaded, facts=replace(loaded.facts, files=(str(file), "/tmp/tmp4iytxaxy/_generated.py")))
    monkeypatch.setattr("compile_doctor.matrix.kept.load_capture", lambda path: loaded)
    assert kept(wanted) is None  # it is gone
    file.touch()
    assert kept(wanted) is not None
    os.utime(file, (3e9, 3e9))
    assert kept(wanted) is None


def test_a_python_that_cannot_run_compile_doctor_is_not_run(tmp_path):
    python = script(tmp_path / "python", "echo \"No module named 'msgspec'\" >&2; exit 1")
    wanted = cells(tmp_path, at=Environment("2.13.0", python))
    table = run.begin(wanted, tmp_path / "out", False, QUIET)
    run.run_here(table, tmp_path, 1)
    (cell,) = table.cells
    assert (cell.verdict, cell.capture) == ("not-run", "")
    assert cell.reason == "compile-doctor did not run there (exit code 1: No module named 'msgspec')"
    assert Path(cell.output).read_text(encoding="utf-8") == "No module named 'msgspec'\n"


@pytest.mark.usefixtures("_files_exist")
@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"usage": "Invalid backend: 'nonsense'"}, "torch.compile refuses these options: Invalid backend: 'nonsense'"),
        ({"not_a_target": "--set depth: build_model takes no such argument."}, "--set depth: build_model takes"),
    ],
)
def test_what_cannot_be_asked_of_the_target_is_no_finding_about_it(tmp_path, monkeypatch, facts, said):
    wanted = cells(tmp_path)[0]
    ended = recorded(wanted)
    loaded = load_capture(wanted.folder / "capture")
    loaded = replace(loaded, facts=replace(loaded.facts, **facts))
    monkeypatch.setattr("compile_doctor.matrix.kept.load_capture", lambda path: loaded)
    cell = finish(wanted, ended)
    assert cell.verdict == "not-run" and cell.reason.startswith(said)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_what_finished_and_names_the_rest(tmp_path, monkeypatch):
    wanted = cells(tmp_path, "", "window=1,2,3")
    table = run.begin(wanted, tmp_path / "out", False, QUIET)

    ending = threading.Event()
    monkeypatch.setattr(run, "end_all", ending.set)

    def run_cell(python, target, options, folder, limit, environment):
        folder.rmdir()
        if "window=2" in options:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert ending.wait(30)  # the children are ended
            return {"ended": "stopped"}
        return recorded(next(one for one in wanted if one.folder == folder))

    monkeypatch.setattr(run, "run_cell", run_cell)
    run.run_here(table, tmp_path, 1)
    found = Matrix("model.py", ("window",), table.cells, "", interrupted=table.interrupted)
    assert found.exit_code == 130
    assert [cell.verdict for cell in found.cells] == ["unhealthy", "not-run", "not-run"]
    assert "the same command with --resume goes on" in text(found)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is not the folder of a matrix"), run.held(tmp_path):
        pass
    running = pytest.raises(UsageError, match="Another matrix is running")
    with run.held(tmp_path / "new"), running, run.held(tmp_path / "new"):
        pass


@pytest.mark.usefixtures("_files_exist")
def test_uncompiled_is_what_compile_off_asks_for(tmp_path):
    """Without compile=off a run that compiled nothing is inconclusive; another error counts in both."""
    off, on = cells(tmp_path, "", "compile=off,on")
    report = finish(on, recorded(on, "cd105-fires")).report
    assert report is not None and report.verdict == "inconclusive"
    alone = replace(report, findings=tuple(one for one in report.findings if one.is_outcome))
    assert _verdict(off, alone)[0] == "uncompiled"
    assert _verdict(on, alone) == ("inconclusive", report.reason)
    assert _verdict(off, report)[0] == "unhealthy"


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["healthy", "uncompiled"], 0),
        (["healthy", "unhealthy", "not-run"], 1),
        (["healthy", "not-run"], 3),
        (["healthy", "inconclusive"], 3),
        (["uncompiled"], 3),
        ([], 3),
    ],
)
def test_exit_codes(verdicts, code):
    made = tuple(Cell("2.13.0", {}, "", verdict, "") for verdict in verdicts)
    assert Matrix("m.py", (), made, "").exit_code == code


def test_one_cell_at_a_time_on_a_machine_with_a_gpu(monkeypatch):
    monkeypatch.setattr("compile_doctor.run.fork_server.has_accelerator", lambda: True)
    assert _jobs() == 1


# ---------------------------------------------------------------- the table


@pytest.mark.usefixtures("_files_exist")
def test_the_table(tmp_path):
    wanted = cells(tmp_path, "", "window=1,2", "backend=eager")
    first = finish(wanted[0], recorded(wanted[0]))
    second = finish(wanted[1], recorded(wanted[1]))
    report = replace(first.report, peak_bytes=3_000_000, warm_call=0.0123)
    refused = Cell("2.99.0", {"window": "1", "backend": "eager"}, "python", "not-run", "No solution found.")
    found = Matrix(
        "model.py", ("window", "backend"), (replace(first, report=report), second, refused), "/x", ("a note",)
    )
    lines = text(found).splitlines()
    assert lines[0] == "model.py · backend=eager · cpu"
    assert (
        lines[2].split() == ["torch", "window", "verdict", "peak", "time", "first", "cause"][:1] + lines[2].split()[1:]
    )
    rows = [line for line in lines if "unhealthy " in line or "not-run " in line]
    assert re.search(r"3\.0 MB  12\.3 ms  CD102 \w+\.py:\d+ data-dependent-branch", rows[0]) and "  –  " in rows[1]
    assert rows[2].startswith("2.99.0") and rows[2].endswith("No solution found.")
    assert "3 cells: 2 unhealthy, 1 not run" in lines and "  a note" in lines
    shown = markdown(found)
    assert "| 2.99.0 | 1 | **not-run** | – | – | No solution found. |" in shown
    assert "| 1 | **unhealthy** | 3.0 MB | 12.3 ms | CD102 " in shown
    assert f"      {first.command}" in text(found, 1).splitlines()
