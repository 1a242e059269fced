"""Children forked from a process that has imported torch: they see what a fresh process sees, and end as one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from compile_doctor.errors import DoctorError
from compile_doctor.processes.children import watch
from compile_doctor.report.make import make_report
from compile_doctor.run import fork_server as forks
from compile_doctor.run.fork_server import ForkServer, fork_server
from compile_doctor.run.launch import Settings, diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

pytestmark = [
    pytest.mark.compile,
    pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only"),
]

BREAKS = """\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

    def forward(self, x):
        x = self.a(x)
        print("seen")
        return self.b(x)


def get_inputs():
    return (torch.randn(2, 8),)
"""


@pytest.fixture(scope="module")
def server():
    with ForkServer(children=100, at_once=True) as made:
        yield made


def see(folder, source, start, **settings):
    (folder / "model.py").write_text(source)
    target = parse_target(str(folder / "model.py"))
    wanted = Settings(backend="eager", **settings)
    return diagnose(target, wanted, folder / "capture", False, Progress(True), start)


def test_it_sees_what_a_fresh_process_sees(tmp_path, server):
    seen = [see(tmp_path, BREAKS, start) for start in (server.start, server.start, watch)]
    reports = [make_report(one) for one in seen]
    assert reports[0].summary["graphs"] == 2
    fresh = reports[2]
    for report in reports[:2]:
        for name in ("verdict", "attention", "max_difference", "environment", "notes", "skipped_checks"):
            assert getattr(report, name) == getattr(fresh, name), name
        assert [one.title for one in report.findings] == [one.title for one in fresh.findings]
        assert {**report.summary, "compile_seconds": 0} == {**fresh.summary, "compile_seconds": 0}
    first, ahead, fresh = (
        [(c.frame_id, c.frame_compile_id, c.file, c.ops, c.graphs) for c in one.compilations] for one in seen
    )
    assert first == ahead == fresh, "it counts from nought, as a new process does"


def test_forked_ahead_it_draws_the_random_numbers_of_one_forked_at_once(tmp_path, server):
    drawn = tmp_path / "drawn"
    draws = f'print(torch.randn(3).tolist(), file=open({str(drawn)!r}, "a"))\n\n\nclass Model'
    for _ in range(3):
        see(tmp_path, BREAKS.replace("class Model", draws), server.start)
    assert len(set(drawn.read_text().splitlines())) == 1


def test_a_child_that_dies_takes_nobody_with_it(tmp_path, server):
    dies = BREAKS.replace('print("seen")', "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    evidence = see(tmp_path, dies, server.start)
    assert evidence.children[0].signal == "SIGKILL"
    assert make_report(see(tmp_path, BREAKS, server.start)).summary["graphs"] == 2


def test_a_child_that_hangs_is_ended_with_what_it_started(tmp_path, server):
    hangs = BREAKS.replace(
        'print("seen")',
        "import pathlib, subprocess, time; "
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(subprocess.Popen(['sleep', '600']).pid)); time.sleep(600)",
    )
    evidence = see(tmp_path, hangs, server.start, timeout=20.0)
    assert evidence.children[0].ended == "timeout"
    started = int((tmp_path / "pid").read_text())
    wait_until(lambda: ended(started))


def test_a_child_that_was_forked_ahead_and_killed_is_replaced(tmp_path):
    with ForkServer(children=5, at_once=True) as server:
        see(tmp_path, BREAKS, server.start)
        ahead = forked_ahead(server)
        os.kill(ahead, signal.SIGKILL)
        wait_until(lambda: ahead not in children_of(server._kept.pid))
        assert make_report(see(tmp_path, BREAKS, server.start)).summary["graphs"] == 2
        ahead = forked_ahead(server)
    wait_until(lambda: ended(ahead))


def forked_ahead(server):
    """The keeper that waits for a request; the one before it may not have ended yet."""
    wait_until(lambda: len(children_of(server._kept.pid)) == 1)
    return children_of(server._kept.pid)[0]


def wait_until(true):
    for _ in range(100):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def ended(process):
    """Also where nobody has waited for it yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def children_of(process):
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(one) for one in found if not ended(one)]


def test_without_a_server_it_goes_the_slow_way(tmp_path):
    with ForkServer(at_once=True) as server:
        os.killpg(server._kept.pid, signal.SIGKILL)
        assert make_report(see(tmp_path, BREAKS, server.start)).summary["graphs"] == 2


def test_a_server_that_is_too_slow_forks_nothing_beside_the_slow_way(tmp_path, monkeypatch):
    monkeypatch.setattr(forks, "STARTING", 0.05)
    with ForkServer() as server:
        kept = []
        begin = server._begin
        server._begin = lambda: kept.append(begin() or server._kept)
        summary = make_report(see(tmp_path, BREAKS, server.start)).summary
        assert ended(kept[0].pid), "it would write into the same folder, and each graph would count twice"
        assert (summary["graphs"], summary["frames_compiled"]) == (2, 2)


def test_ended_while_it_starts_nobody_waits_for_it(tmp_path):
    server, asked, found = ForkServer(), threading.Event(), []
    kept = []
    begin = server._begin

    def began():
        begin()
        kept.append(server._kept)
        asked.set()

    server._begin = began

    def ask():
        try:
            server.start("diagnose", ["python", str(tmp_path / "settings.json")], {}, None)
        except DoctorError as error:
            found.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(30)
    server.stop()
    thread.join(30)
    assert found == ["It was not run, because the check was ended."] and ended(kept[0].pid)
    with pytest.raises(DoctorError, match="ended"):
        server.start("diagnose", [""], {}, None)


def test_one_child_is_not_worth_a_server(monkeypatch):
    with fork_server(1, 1, at_once=False) as made:
        assert made is None
    monkeypatch.setattr(forks, "glob", lambda pattern: ["/dev/nvidia0"])
    with fork_server(10, 1, at_once=False) as made:
        assert made is None, "a process that may have asked the driver must not fork"


@pytest.mark.compile
def test_what_torch_warns_of_when_the_server_compiles_is_not_shown():
    """On Python 3.13.0 each compilation does. A child that runs the target has a warning of its own."""
    text = (
        "import warnings, compile_doctor.probe.entry.server as server, torch\n"
        "compiled = torch.compile\n"
        "torch.compile = lambda model, **options: compiled(model, **options) if warnings.warn('slow') is None else None\n"
        "server.compile_something()\n"
        "warnings.warn('heard')"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert "slow" not in done.stderr and "heard" in done.stderr


def test_a_missing_numpy_is_not_the_first_line_on_the_screen(tmp_path):
    alone = "from compile_doctor.probe.__main__ import main; main(sys.argv[1])"
    settings = tmp_path / "settings.json"
    asked = {"run": "diagnose", "directory": str(tmp_path), "target": "none", "module": "no_such_module", "grad": False}
    settings.write_text(json.dumps(asked))
    for first in ("import compile_doctor.probe.entry.server", alone):
        text = f"import sys; sys.modules['numpy'] = None; {first}"
        done = subprocess.run([sys.executable, "-c", text, str(settings)], capture_output=True, text=True, check=True)
        assert done.stderr == "", first
    plain = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['numpy'] = None; import torch"], capture_output=True, text=True
    )
    assert "Failed to initialize NumPy" in plain.stderr, "torch says nothing any more: the filter can go"
