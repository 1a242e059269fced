"""Targets that fail, die, hang, print or fork: each run once in a real child process, then looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import run_doctor

pytestmark = pytest.mark.compile

INPUTS = "\ndef example_inputs():\n    return (torch.randn(4, 8),)\n"
BUILD = "\ndef build_model():\n    return Model()\n"
HEAD = "import torch\n\nclass Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.proj = torch.nn.Linear(8, 8)\n"

IMPORT_FAILS = (
    "import torch\n\ndef helper():\n    raise RuntimeError('weights.pt: run download.sh first')\n\nhelper()\n"
    + BUILD
    + INPUTS
)
NO_FIT = HEAD + "\n    def forward(self, x):\n        return self.proj(x)\n" + BUILD + INPUTS.replace("4, 8", "4, 9")
PRINTS = (
    'import os\nos.write(1, b\'{"schema": "mine"}\\n\')\nprint(\'{"verdict": "from the target"}\')\n'
    + HEAD
    + "\n    def forward(self, x):\n        return self.proj(x)\n"
    + BUILD
    + INPUTS
)
HANGS = (
    HEAD
    + "\n    def forward(self, x):\n        while True:\n            __import__('time').sleep(0.1)\n"
    + BUILD
    + INPUTS
)
ABORTS = (
    HEAD
    + "\n    def forward(self, x):\n        x = self.proj(x)\n        if torch.compiler.is_compiling():\n            abort()\n        return x\n"
)
ABORTS = "import os\n" + ABORTS + "\n@torch.compiler.disable\ndef abort():\n    os.abort()\n" + BUILD + INPUTS
LOOP = (
    """\
import torch

class Layer(torch.nn.Module):
    def forward(self, x):
        return x.sin() * 2

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer()

    def forward(self, x):
        for _ in range(2):
            x = self.layer(x)
            print("step")
        return x
"""
    + BUILD
    + INPUTS
)
EMPTY = (
    HEAD + "\n    @torch.compiler.disable\n    def forward(self, x):\n        return self.proj(x)\n" + BUILD + INPUTS
)
NO_TARGET = "import torch\n\ndef build_model():\n    return torch.nn.Linear(8, 8)\n"

TRAINS = """\
import sys
import torch

@torch.compile(backend="eager")
def step(x):
    y = x * 2
    print("in between")
    return y + 1

step(torch.ones(3))
sys.exit(int(sys.argv[1]))
"""
FORKS = """\
import os
import torch

@torch.compile(backend="eager")
def step(x, scale):
    return x * scale

step(torch.ones(3), "ab".count("a"))
children = []
for rank in range(2):
    child = os.fork()
    if child == 0:
        step(torch.ones(3, 3), 1)
        print("rank", rank, flush=True)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
"""


def diagnose(
    folder: Path, source: str, *arguments: str, name: str = "model.py", **options: object
) -> subprocess.CompletedProcess[str]:
    (folder / name).write_text(source, encoding="utf-8")
    return run_doctor(folder, "diagnose", name, "--backend", "eager", *arguments, **options)  # type: ignore[arg-type]


def found(done: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(done.stdout)


def codes(report: dict) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


def test_an_import_that_fails_shows_the_users_own_traceback(tmp_path):
    done = diagnose(tmp_path, IMPORT_FAILS)
    assert done.returncode == 2
    assert "INCONCLUSIVE   The target fails while importing it." in done.stdout
    shown = done.stdout[done.stdout.index("Traceback (most recent call last)") :]
    assert "helper()" in shown and "RuntimeError: weights.pt: run download.sh first" in shown
    assert "compile_doctor/" not in done.stdout and "importlib" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_target_prints_the_template(tmp_path):
    done = diagnose(tmp_path, NO_TARGET)
    assert (done.returncode, done.stdout) == (2, "")
    assert "model.py is not a valid target: example_inputs() (or get_inputs()) is missing" in done.stderr
    assert "    def example_inputs():" in done.stderr and "Traceback" not in done.stderr


def test_inputs_that_do_not_fit(tmp_path):
    done = diagnose(tmp_path, "print('from the target')\n" + NO_FIT, "--format", "json")
    report = found(done)
    assert done.stderr.startswith("--- what model.py printed ---\nfrom the target\n")
    assert (done.returncode, report["verdict"], codes(report)) == (3, "inconclusive", ["CD002"])
    finding = report["findings"][0]
    assert "mat1 and mat2 shapes cannot be multiplied" in finding["message"]
    assert (finding["location"]["file"], finding["location"]["function"]) == ("model.py", "Model.forward")
    assert "\nTraceback" not in "\n" + done.stderr  # torch logs one of its own, behind a prefix


@pytest.fixture(scope="module")
def odd_place(tmp_path_factory):
    """A target that prints JSON, in a place with an awkward name that cannot be written to, without a home."""
    folder = tmp_path_factory.mktemp("größe 模型 [red] 100%")
    (folder / "mein modell.py").write_text(PRINTS, encoding="utf-8")
    folder.chmod(0o555)
    before = sorted(os.listdir(folder))
    capture = tmp_path_factory.mktemp("captures") / "läuft 1"
    done = run_doctor(
        folder,
        "diagnose",
        "mein modell.py",
        "--backend",
        "eager",
        "--format",
        "json",
        "--capture",
        capture,
        env={"HOME": None, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    after = sorted(os.listdir(folder))
    folder.chmod(0o755)
    return done, capture, before, after


def test_stdout_is_the_report_alone_whatever_the_target_prints(odd_place):
    done = odd_place[0]
    assert done.returncode == 0, done.stderr
    assert found(done)["schema"] == "compile-doctor/report/1"
    assert done.stderr == "", "what a target prints, and torch's warnings, are held back while nothing fails"


def test_awkward_paths_read_only_directories_and_no_home(odd_place):
    done, capture, before, after = odd_place
    report = found(done)
    assert (report["target"], report["verdict"], report["summary"]["graphs"]) == ("mein modell.py", "healthy", 1)
    assert before == after
    again = run_doctor(capture.parent, "report", capture.name, "--format", "json")
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_a_target_that_hangs_is_stopped(tmp_path):
    done = diagnose(tmp_path, HANGS, "--timeout", "8", "--format", "json", timeout=60)
    report = found(done)
    assert (done.returncode, codes(report)[0], report["verdict"]) == (3, "CD003", "inconclusive")
    assert report["findings"][0]["title"].startswith("Timed out while")
    assert "Traceback" not in done.stderr


def test_an_abort_under_compile_only(tmp_path):
    done = diagnose(tmp_path, ABORTS, "--format", "json")
    report = found(done)
    assert done.returncode == 1 and report["verdict"] == "unhealthy"
    assert "CD107" in codes(report)
    assert "SIGABRT" in next(f for f in report["findings"] if f["code"] == "CD107")["title"]


def test_a_break_in_a_loop(tmp_path):
    done = diagnose(tmp_path, LOOP, "--format", "json")
    report = found(done)
    assert (done.returncode, report["verdict"]) == (1, "unhealthy")
    places = {finding["code"]: finding["location"] for finding in report["findings"]}
    assert set(places) == {"CD103", "CD104"}
    assert (places["CD103"]["line"], places["CD103"]["snippet"]) == (15, 'print("step")')
    assert places["CD104"]["function"] == "Model.forward"
    assert report["disagreements"] == [] and report["unknown_events"] == {}


def test_nothing_compiled_is_no_pass(tmp_path):
    done = diagnose(tmp_path, "print('from the target')\n" + EMPTY, "-v")
    assert done.returncode == 3
    assert done.stderr.startswith("from the target\n"), "-v lets it through"
    assert "CD105 nothing-compiled" in done.stdout and "INCONCLUSIVE" in done.stdout


def test_run_reports_and_passes_on_the_exit_status(tmp_path):
    (tmp_path / "train.py").write_text(TRAINS)
    done = run_doctor(tmp_path, "run", "--format", "json", "--", sys.executable, "train.py", "5")
    report = found(done)
    assert done.returncode == 5
    assert codes(report) == ["CD101"]
    assert report["findings"][0]["location"]["file"] == "train.py"
    assert done.stderr.count("in between") == 1


def test_run_with_a_program_that_forks_after_it_has_compiled(tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    done = run_doctor(tmp_path, "run", "--format", "json", "--fail-on", "never", "--", sys.executable, "forks.py")
    report = found(done)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("rank") == 2  # two processes write at once: their words may mix
    recompiled = [finding for finding in report["findings"] if finding["code"] == "CD201"]
    assert (
        sum(finding["count"] for finding in recompiled) == 2
    )  # one in each child, of the frame that the parent compiled
    assert {finding["location"]["file"] for finding in recompiled} == {"forks.py"}
    assert report["disagreements"] == []
