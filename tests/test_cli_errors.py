"""Bad input on the command line, without a child process: a message, the right exit code, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT, run_doctor
from helpers import write_capture

from compile_doctor.cli import main

TEMPLATE = [
    "import torch",
    "def build_model():",
    "    return torch.nn.Linear(16, 16)",
    "def example_inputs():",
    "    return (torch.randn(4, 16),)",
]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls main(); returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        assert "Traceback" not in err and "defect of compile-doctor" not in err
        return int(caught.value.code or 0), out, err

    return run


def test_what_is_no_target(call, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("")
    cases = {
        "missing.py": "missing.py does not exist",
        "missing.py:Model": "missing.py does not exist",
        "folder": "folder is a directory, not a target",
        "folder.py": "folder.py is not a file",
        "notes.txt": "notes.txt is not a Python file",
        "gibberish": "'gibberish' is not a valid target",
        "": "'' is not a valid target",
        "a/b:c": "'a/b:c' is not a valid target",
        ":": "':' is not a valid target",
        "model.py:1st": "is not a valid target",
    }
    for target, message in cases.items():
        code, out, err = call("diagnose", target)
        assert (code, out) == (2, ""), target
        assert f"compile-doctor: {message}" in err or message in err.splitlines()[0], err
        assert all(line in err for line in TEMPLATE), target


def test_unknown_examples_name_the_known_ones(call):
    for arguments in (("diagnose", "example:nope"), ("examples", "nope"), ("examples", "../../etc/passwd")):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        assert "There is no example" in err and "four-breaks" in err and "clean" in err


def test_examples_that_cannot_be_copied(call, tmp_path):
    assert call("examples", "clean", "--copy", tmp_path)[0] == 0
    code, _, err = call("examples", "clean", "--copy", tmp_path)
    assert code == 2 and "already exists" in err
    code, _, err = call("examples", "clean", "--copy", tmp_path / "nowhere")
    assert code == 2 and "cannot be written" in err


def test_unknown_codes_name_the_known_ones(call):
    for unknown in ("CD999", "nonsense", "", "CD", "[red]"):
        code, out, err = call("explain", unknown)
        assert (code, out) == (2, "")
        assert "is not a known code" in err and "CD101" in err
    code, _, err = call("explain", "GB9999")
    assert code == 2 and "GB9999" in err


def test_bad_outputs_are_refused_before_anything_runs(call, tmp_path):
    capture = write_capture(tmp_path / "c")
    cases = {
        "report.txt": "give FORMAT:PATH",
        "text:": "give FORMAT:PATH",
        "xml:a.xml": "one of text, json",
        "text:no/where.txt": "is not a directory",
        ":": "FORMAT",
    }
    for output, message in cases.items():
        for arguments in (("diagnose", "missing.py"), ("report", capture), ("run",)):
            command = ("--", "true") if arguments == ("run",) else ()
            code, out, err = call(*arguments, "-o", output, *command)
            assert (code, out) == (2, "") and message in err
    code, _, err = call("report", capture, "-o", f"text:{tmp_path}")
    assert code == 2 and "directory" in err


@pytest.mark.parametrize("size", ["lots", "8XB", "-1GB", "1e9", "", "0", "0GB", "99999999999TB", "GB"])
def test_bad_memory_limits(tmp_path, size):
    (tmp_path / "model.py").write_text("this is not even Python\n")  # so nothing can be diagnosed by mistake
    done = run_doctor(tmp_path, "diagnose", "model.py", "--memory-limit", size)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--memory-limit" in done.stderr and "8GB" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_click_refuses(call):
    for arguments in (
        ("--timeout", "0"),
        ("--timeout", "soon"),
        ("--tokens", "0"),
        ("--repeat", "x"),
        ("--fail-on", "maybe"),
        ("--nope",),
    ):
        code, out, err = call("diagnose", "missing.py", *arguments)
        assert (code, out) == (2, "") and arguments[0].lstrip("-") in err, arguments
    for arguments in (("diagnose",), ("run",), ("report",), ("nonsense",)):
        assert call(*arguments)[0] == 2


def test_reports_on_what_is_no_capture(call, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 and then nothing")
    newer = write_capture(tmp_path / "newer")
    (newer / "capture.json").write_text(json.dumps({"schema": "compile-doctor/capture/9"}))
    cases = {
        "nothing": "does not exist",
        "empty": "contains neither a capture",
        "damaged.zip": "nor a readable .zip",
        "newer": "recorded by a newer version of compile-doctor (compile-doctor/capture/9",
    }
    for name, message in cases.items():
        for kind in ("text", "json"):
            code, out, err = call("report", name, "--format", kind)
            assert (code, out) == (2, "") and message in err


def test_capture_directories_that_cannot_be_used(call, tmp_path):
    (tmp_path / "model.py").write_text("def broken(\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for place, message in (
        ("work", "is not a capture"),
        ("file", "cannot be written"),
        ("file/below", "cannot be written"),
    ):
        code, out, err = call("diagnose", "model.py", "--capture", tmp_path / place)
        assert (code, out) == (2, "") and message in err and "--capture" in err


def test_a_report_that_nobody_reads(tmp_path):
    """`compile-doctor report … | head -1` is no error."""
    capture = write_capture(tmp_path / "c")
    command = f"{sys.executable} -m compile_doctor report {capture} -v | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert "Traceback" not in done.stderr and "mistake" not in done.stderr


def test_commands_that_cannot_be_started(tmp_path):
    (tmp_path / "plain.txt").write_text("no program")
    for command, message in (
        ("no-such-program", "cannot be started"),
        ("./plain.txt", "cannot be started"),
        (str(tmp_path), "cannot be started"),
    ):
        done = run_doctor(tmp_path, "run", "--", command)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert message in done.stderr and "Traceback" not in done.stderr


def test_a_command_in_which_nothing_is_compiled_is_no_pass(tmp_path):
    done = run_doctor(tmp_path, "run", "--format", "json", "--", sys.executable, "-c", "print('hello')")
    assert done.returncode == 3, done.stdout
    assert json.loads(done.stdout)["verdict"] == "inconclusive"
    assert "hello" in done.stderr  # the program's output is not part of the report


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(7)", 7), ("import os; os.abort()", 134), ("1/0", 1)])
def test_the_status_of_a_command_that_fails_is_passed_on(tmp_path, program, code):
    done = run_doctor(tmp_path, "run", "--", sys.executable, "-c", program)
    assert done.returncode == code


def test_a_working_directory_that_is_gone(tmp_path):
    capture = write_capture(tmp_path / "c")
    command = f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m compile_doctor report {capture}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert "Traceback" not in done.stderr and "mistake" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(("name", "code"), [("clean-torch-cond-gate", 0), ("cd102-fires", 1)])
def test_a_reader_that_has_enough_does_not_change_the_exit_code(name, code):
    recorded = ROOT / "tests" / "evidence" / "2.13.0" / f"{name}.zip"
    command = [sys.executable, "-m", "compile_doctor", "report", str(recorded), "-v"]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    assert (child.wait(60), child.stderr.read()) == (code, b"")
