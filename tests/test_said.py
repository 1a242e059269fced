"""What targets print during a check: kept, and shown where asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from compile_doctor.run.target_output import LINES, MOST, OUTPUT, TargetOutput, held_back


def started(output, name, text):
    def start(mode, command, environment, timeout):
        assert environment["OTHER"] == "kept"
        with open(environment[OUTPUT], "a", encoding="utf-8") as file:
            file.write(text)

    output.keeping(name, start)("diagnose", [], {"OTHER": "kept"}, None)


def test_each_target_s_own_and_once(tmp_path, capsys):
    output = TargetOutput(tmp_path, ["a/b", "c", "silent"])
    for name, text in (("a/b", "one\n"), ("c", "two\n"), ("a/b", "three\n"), ("silent", "\n")):
        started(output, name, text)
    output.show("a/b")
    assert capsys.readouterr().err == "--- what a/b printed ---\none\nthree\n--- end of a/b ---\n"
    output.show_all()
    found = capsys.readouterr()
    assert found.err == "--- what c printed ---\ntwo\n--- end of c ---\n" and not found.out


def prints(count):
    def start(mode, command, environment, timeout):
        with open(environment[OUTPUT], "a", encoding="utf-8") as file:
            file.writelines(f"line {number}\n" for number in range(count))
        return {}

    return start


def test_what_is_held_back_is_shown_only_if_asked_for(capsys):
    with held_back("model.py", prints(3)) as (start, show):
        start("diagnose", [], {}, None)
    assert capsys.readouterr().err == ""
    with held_back("model.py", prints(3)) as (start, show):
        start("diagnose", [], {}, None)
        show()
    shown = "--- what model.py printed ---\nline 0\nline 1\nline 2\n--- end of model.py ---\n"
    assert capsys.readouterr().err == shown


def test_an_exception_shows_what_was_held_back(capsys):
    def stopped():
        with held_back("model.py", prints(1)) as (start, _):
            start("diagnose", [], {}, None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "line 0" in capsys.readouterr().err


def test_of_what_is_held_back_the_last_lines_are_shown(capsys):
    with held_back("model.py", prints(LINES + 5)) as (start, show):
        start("diagnose", [], {}, None)
        show()
    shown = capsys.readouterr().err.splitlines()
    assert shown[:2] == [f"--- what model.py printed (the last {LINES} lines: -v shows all) ---", "line 5"]
    assert len(shown) == LINES + 2


def test_of_much_the_end(tmp_path, capsys):
    output = TargetOutput(tmp_path, ["a"])
    started(output, "a", "x" * MOST + "the end")
    output.show("a")
    found = capsys.readouterr().err
    assert "the last 200,000 bytes" in found and "the end\n---" in found and len(found) < MOST + 200


def test_what_was_printed_before_a_child_was_killed_is_there(tmp_path):
    """Python holds back what goes to a file, unless told otherwise, and a signal leaves no time to write it."""
    file = tmp_path / "output.txt"
    code = (
        "import os, signal; from compile_doctor.probe.__main__ import redirect; "
        f"redirect({str(file)!r}); print('last words'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -9 and file.read_text() == "last words\n"


def test_a_child_s_output_and_that_of_what_it_starts_goes_into_the_file(tmp_path):
    """Without the probe's imports of torch: its redirection alone."""
    file = tmp_path / "output.txt"
    code = (
        "import subprocess, sys; from compile_doctor.probe.__main__ import redirect; print('before'); "
        f"redirect({str(file)!r}); print('out'); print('err', file=sys.stderr); sys.stdout.flush(); "
        "subprocess.run([sys.executable, '-c', 'print(1 + 1)'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "before\n" and sorted(file.read_text().split()) == ["2", "err", "out"]
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0  # it may hold what a log would not
