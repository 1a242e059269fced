"""What children start ends with them, and they end with the doctor, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT, run_doctor
from helpers import write_capture

from compile_doctor.errors import InconclusiveError
from compile_doctor.processes import children, scratch
from compile_doctor.processes.children import ask, watch

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a subreaper")

LEAVES = """\
import os, subprocess, sys, time
own = subprocess.Popen(["sleep", "600"])
env = {"PATH": os.environ["PATH"]}  # nothing left to know it by
away = subprocess.Popen(["sleep", "600"], start_new_session=True, env=env)
middle = os.fork()
if middle == 0:
    os.setsid()
    last = os.fork()
    if last:
        os._exit(0)
    while not os.path.exists("pids"):
        time.sleep(0.01)
    with open("daemon", "w") as file:
        file.write(str(os.getpid()) + "\\n")
    time.sleep(600)
os.waitpid(middle, 0)
with open("pids.part", "w") as file:
    file.write(f"{os.getpid()} {own.pid} {away.pid}\\n")
os.rename("pids.part", "pids")
while not os.path.exists("daemon"):
    time.sleep(0.01)
"""
"""Three processes: one in its session, one of another, and a daemon."""
STAYS = LEAVES + "time.sleep(600)\n"


def wait_until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def ended(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return True


def pids(folder):
    """Of LEAVES: itself, its child, the one in another session, the daemon."""
    return [int(one) for name in ("pids", "daemon") for one in (folder / name).read_text().split()]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to run in, with a temporary folder of its own; nothing that was started there is left."""
    # A suite started in a shell's background ignores Ctrl-C, and what it starts would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    yield tmp_path
    signal.signal(signal.SIGINT, before)
    if (tmp_path / "daemon").exists():
        for process in pids(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def begin(place, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("CI", None)  # a baseline is not written there
    command = [sys.executable, "-m", "compile_doctor", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def begun(place, *options):
    """A doctor whose command has started everything."""
    doctor = begin(place, "run", *options, "--", sys.executable, "-c", STAYS)
    wait_until(lambda: (place / "daemon").exists() and (place / "daemon").read_text().endswith("\n"))
    return doctor


def see(program, timeout=None, **options):
    return watch("command", [sys.executable, "-c", program], os.environ, timeout, **options)


# -- the doctor ends --------------------------------------------------------------------------------------------------


@linux
def test_kill_9_of_the_doctor_ends_everything_and_removes_its_folder(place):
    doctor = begun(place)
    assert len(pids(place)) == 4 and not any(map(ended, pids(place)))
    assert next(one.name for one in (place / "tmp").iterdir()).startswith("compile-doctor-")
    doctor.kill()
    doctor.communicate()
    wait_until(lambda: all(map(ended, pids(place))))
    wait_until(lambda: not list((place / "tmp").iterdir()))


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_everything_and_is_the_exit_code(place, number):
    doctor = begun(place, "--capture", "kept")
    doctor.send_signal(number)
    out, err = doctor.communicate(timeout=60)
    # What was seen is reported after Ctrl-C; whoever sends another signal asks for nothing but the end.
    assert doctor.returncode == (3 if number == signal.SIGINT else 128 + number), err
    assert "The run was interrupted before it finished" in out and "Traceback" not in err
    assert all(map(ended, pids(place)))
    assert not list((place / "tmp").iterdir()) and (place / "kept" / "capture.json").exists()


@linux
def test_the_limit_holds_while_the_doctor_is_stopped(place):
    doctor = begun(place, "--timeout", "3")
    doctor.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: all(map(ended, pids(place))))
    finally:
        doctor.send_signal(signal.SIGCONT)
    out, _ = doctor.communicate(timeout=60)
    assert doctor.returncode == 3 and "CD003" in out


# -- the child ends ---------------------------------------------------------------------------------------------------


@linux
def test_a_command_may_leave_a_service_which_is_named(place):
    doctor = begin(place, "run", "--", sys.executable, "-c", LEAVES)
    err = next(iter(doctor.stderr)) + next(iter(doctor.stderr)) + next(iter(doctor.stderr))  # a service holds it open
    assert doctor.wait(60) == 3
    _, own, away, daemon = pids(place)
    assert f"process {own} (sleep 600) was still running when the target ended, and was stopped" in err
    for process in (away, daemon):
        assert f"process {process} (" in err and not ended(process)
    assert err.count("is still running: it left the command's session") == 2
    assert ended(own)


@linux
def test_a_target_may_leave_nothing(place, capfd):
    found = see(LEAVES)
    assert (found["ended"], found["exit_code"]) == ("exited", 0)
    assert all(map(ended, pids(place)))
    err = capfd.readouterr().err
    assert all(f"process {process} (" in err for process in pids(place)[1:])
    assert err.count("and was stopped") == 3


@linux
def test_twenty_forks_are_counted(place, capfd):
    program = "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        time.sleep(600)\n"
    see(program + "print([int(x) for x in os.popen(f'ps -o pid= --ppid {os.getpid()}').read().split()][:20])")
    out = capfd.readouterr()
    assert out.err.count("and was stopped") == 10 and "10 more processes were still running" in out.err
    started = next(line for line in out.err.splitlines() if line.startswith("["))
    assert all(ended(int(one)) for one in started.strip("[]").split(","))


@linux
def test_a_process_that_hides_its_name_is_named_all_the_same(place, capfd):
    program = "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 600; exit # \\x1b[2K\\n\\u202e', 'a) R 1 1'])\n"
    see(program)
    err = capfd.readouterr().err
    assert "\x1b" not in err and "\u202e" not in err
    assert len([line for line in err.splitlines() if "was stopped" in line]) >= 1


@linux
def test_what_ends_by_itself_is_not_named(place, capfd):
    see("import subprocess; subprocess.Popen(['sleep', '0.05'])")
    assert "compile-doctor" not in capfd.readouterr().err


@linux
def test_a_child_that_is_stopped_times_out(place):
    found = see("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeout=1.0)
    assert (found["ended"], found["exit_code"]) == ("timeout", None)


@linux
def test_a_child_that_does_not_listen_is_killed(place, monkeypatch):
    monkeypatch.setattr(children.keeper, "GRACE", 5.0)
    (place / "started").write_text("")
    program = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('started', 'w').write(str(os.getpid())); time.sleep(600)"
    assert see(program, timeout=2.0)["ended"] == "timeout"
    assert ended(int((place / "started").read_text()))


@linux
def test_a_child_that_kills_its_keeper_is_no_pass(place):
    program = "import os, signal, time; open('mine', 'w').write(str(os.getpid())); os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)"
    assert see(program)["ended"] == "interrupted"
    wait_until(lambda: ended(int((place / "mine").read_text())))


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("raise SystemExit(7)", ("exited", 7, None)),
        ("import os; os.abort()", ("signal", -6, "SIGABRT")),
        ("import os; os.setpgrp() if os.getpid() != os.getpgrp() else None", ("exited", 0, None)),
        ("import os; os.closerange(0, 256)", ("exited", 0, None)),
        ("import os; os.kill(0, 9)", ("signal", -9, "SIGKILL")),
    ],
)
def test_how_a_child_ends_is_what_a_shell_would_see(place, program, how):
    found = see(program)
    assert (found["ended"], found["exit_code"], found["signal"]) == how


def test_a_child_finds_the_signals_of_a_plain_process(place):
    program = "import signal; print([signal.getsignal(n).name for n in (15, 1, 17)])"
    shown = ask([sys.executable, "-c", program], os.environ)
    plain = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == plain.stdout
    shell = ["sh", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status; ls /proc/self/fd"]
    plain = subprocess.run(shell, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert ask(shell, os.environ).stdout == plain.stdout


def test_a_python_that_cannot_start(place, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InconclusiveError, match="/bin/false cannot be started"):
        see("")
    monkeypatch.setattr(sys, "executable", str(place / "nothing"))
    with pytest.raises(InconclusiveError, match="nothing cannot be started: No such file"):
        see("")


def test_a_question_that_is_not_answered(place):
    with pytest.raises(subprocess.TimeoutExpired):
        ask([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, 0.5)


# -- folders ----------------------------------------------------------------------------------------------------------


def test_only_folders_of_dead_doctors_are_removed(place, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(place / "tmp"))
    leave = "import os; from compile_doctor.processes.scratch import scratch; one = scratch('x'); one.__enter__(); os._exit(0)"
    dead = place / "tmp"
    subprocess.run([sys.executable, "-c", leave], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    (left,) = dead.iterdir()
    (left / "trace").mkdir()
    (dead / "compile-doctor-mine").mkdir()
    (dead / "compile-doctor-note.txt").write_text("")
    elsewhere = dead / "compile-doctor-elsewhere"
    elsewhere.mkdir()
    (elsewhere / scratch.OWNER).write_text("compile-doctor-another.machine")
    (place / "precious").mkdir()
    (place / "precious" / scratch.OWNER).write_bytes((left / scratch.OWNER).read_bytes())
    (dead / "compile-doctor-link").symlink_to(place / "precious")
    with scratch.scratch() as live:
        scratch.sweep()
        assert {one.name for one in dead.iterdir()} == {
            live.name,
            "compile-doctor-mine",
            "compile-doctor-note.txt",
            "compile-doctor-elsewhere",
            "compile-doctor-link",
        }
        assert (place / "precious" / scratch.OWNER).exists()
    assert not live.exists()


def test_a_temporary_folder_that_cannot_be_made(place, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(place / "nowhere"))
    with (
        pytest.raises(InconclusiveError, match="No temporary folder can be made: No such file") as caught,
        scratch.scratch(),
    ):
        pass
    assert "TMPDIR" in caught.value.hint


def test_a_folder_that_the_target_deletes(place):
    program = "import os, shutil; shutil.rmtree(os.environ['COMPILE_DOCTOR_CAPTURE'])"
    done = run_doctor(place, "run", "--", sys.executable, "-c", program)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr and "defect" not in done.stderr and "HEALTHY" not in done.stdout


# -- what the machine lacks -------------------------------------------------------------------------------------------


def shell(place, text):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DOCTOR": f"{sys.executable} -m compile_doctor"}
    return subprocess.run(
        ["bash", "-c", text], cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_streams_that_are_closed(place):
    write_capture(place / "c")
    program = f"{sys.executable} -c \"import os; os.write(1, b'lo' + b'st'); os.write(2, b'lo' + b'st')\""
    for streams in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = shell(
            place,
            f"$DOCTOR report c {streams}; echo code $? >code; $DOCTOR run --capture r {streams} -- {program}; echo $? >>code",
        )
        assert "Traceback" not in done.stderr and "defect" not in done.stderr
        assert (place / "code").read_text().split() == ["code", "1", "3"], streams
        for file in (place / "r").rglob("*"):
            assert not file.is_file() or b"lost" not in file.read_bytes(), (
                "the target's output went into a file of ours"
            )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_streams_that_take_nothing(place):
    write_capture(place / "c")
    done = shell(place, "$DOCTOR report c >/dev/full")
    assert (done.returncode, done.stderr) == (
        2,
        "compile-doctor: The report cannot be written to stdout: No space left on device.\n",
    )
    assert shell(place, "$DOCTOR report nothing 2>/dev/full").returncode == 2
    assert shell(place, "$DOCTOR report c >/dev/full 2>/dev/full").returncode == 2


def test_a_disk_without_room(place):
    done = shell(place, "ulimit -f 0; $DOCTOR run -- true")
    assert done.returncode in (2, 3) and done.stdout == ""
    assert done.stderr.startswith("compile-doctor: ") and "defect" not in done.stderr and "Traceback" not in done.stderr


def test_no_torch(place):
    (place / "hides").mkdir()
    (place / "hides" / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
    (place / "m.py").write_text("")
    (place / "pyproject.toml").write_text('[[tool.compile-doctor.targets]]\nname = "m"\ntarget = "m.py"\n')
    path = f"{place / 'hides'}{os.pathsep}{ROOT}"
    for command in (("diagnose", "m.py"), ("baseline", "update"), ("parity", "--suite"), ("bench", "--suite")):
        done = run_doctor(place, *command, env={"PYTHONPATH": path, "CI": None})
        assert done.returncode == 3, command
        assert "torch is not installed for " in done.stdout + done.stderr, command
        assert "Traceback" not in done.stderr


# -- with torch -------------------------------------------------------------------------------------------------------

MODEL = """
import torch
def build_model():
    return torch.nn.Linear(4, 4)
def example_inputs():
    return (torch.ones(2, 4),)
"""
HOSTILE = """\
import os, tempfile
os.closerange(0, 256)
gone = tempfile.mkdtemp()
os.chdir(gone)
os.rmdir(gone)
"""
FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
DELETES = "import shutil, sys\nshutil.rmtree(next(one for one in open('/proc/self/cmdline').read().split('\\0') if 'settings' in one).rpartition('/')[0])\n"
WAITS = 'import os, pathlib, subprocess, time\npathlib.Path(__file__).with_suffix(\'.pid\').write_text(f\'{os.getpid()} {subprocess.Popen(["setsid", "sleep", "600"]).pid}\')\ntime.sleep(600)\n'


@linux
@pytest.mark.compile
@pytest.mark.parametrize(("first", "code"), [(HOSTILE, 0), (FULL, 3), (DELETES, 3)])
def test_targets_that_harm_their_surroundings(place, first, code):
    (place / "model.py").write_text(first + MODEL)
    done = run_doctor(place, "diagnose", "model.py", "--backend", "eager")
    assert done.returncode == code, done.stdout + done.stderr
    assert "defect" not in done.stderr and "compile_doctor/" not in done.stdout
    assert ("HEALTHY" in done.stdout) == (code == 0)
    assert not list((place / "tmp").glob("compile-doctor-*"))


@linux
@pytest.mark.compile
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_the_end_of_the_doctor_is_the_end_of_what_was_forked(place, number, code):
    entries = "".join(
        f'[[tool.compile-doctor.targets]]\nname = "{one}"\ntarget = "{one}.py"\nbackend = "eager"\n' for one in "ab"
    )
    (place / "pyproject.toml").write_text(entries)
    for one in "ab":
        (place / f"{one}.py").write_text(WAITS + MODEL)
    doctor = begin(place, "baseline", "update", "-j", "2")
    files = [place / f"{one}.pid" for one in "ab"]
    wait_until(lambda: any(file.exists() and " " in file.read_text() for file in files))
    doctor.send_signal(number)
    doctor.communicate(timeout=60)
    assert doctor.returncode == code
    started = [int(one) for file in files if file.exists() for one in file.read_text().split()]
    assert started
    wait_until(lambda: all(map(ended, started)))
    wait_until(lambda: not list((place / "tmp").glob("compile-doctor-*")))
