"""The cache of `check`: what it answers, what it must not answer, and why it keeps nothing of some targets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, run_doctor

from compile_doctor import cache as cache_module
from compile_doctor.cache import MOST, Cache
from compile_doctor.capture import load_capture
from compile_doctor.launch import Settings
from compile_doctor.targets import Target

RECORDED = ROOT / "tests" / "evidence" / "2.13.0" / "cd102-fires.zip"
LADDER = RECORDED.with_name("cd502-fires.zip")
"""Several sizes, each in a folder of its own."""
TARGET = Target("model.py")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("one")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.fixture
def cache(here):
    return Cache(here / "cache")


def keep(
    cache: Cache,
    folder: Path,
    files=("model.py",),
    folders=(),
    unseen=(),
    before: float | None = None,
    recorded: Path = RECORDED,
) -> str:
    """As if `recorded` had run here just now and each of its processes had looked at those files."""
    capture = folder / "capture"
    with zipfile.ZipFile(recorded) as archive:
        archive.extractall(capture)
    evidence = load_capture(capture)
    for process in capture.rglob("process-*.jsonl"):
        seen = {
            "files": [str(folder / name) for name in files],
            "folders": [str(folder / name) for name in folders],
            "unseen": list(unseen),
        }
        (process.parent / f"files-{process.stem}.json").write_text(json.dumps(seen))
    cache.keep(TARGET, Settings(), capture, evidence, time.time() + 5 if before is None else before)
    return cache.not_kept.get("model.py", "")


def test_the_answer_is_what_was_seen(here, cache):
    assert cache.find(TARGET, Settings()) is None
    assert keep(cache, here) == ""
    found = cache.find(TARGET, Settings())
    assert found.cached
    assert found == load_capture(here / "capture")


def test_a_run_up_a_ladder_of_sizes_is_kept(here, cache):
    assert keep(cache, here, recorded=LADDER) == ""
    assert len(cache.find(TARGET, Settings()).rungs) > 1
    (next((here / "capture").rglob("files-*.json"))).unlink()
    evidence = load_capture(here / "capture")
    cache.keep(TARGET, Settings(), here / "capture", evidence, time.time() + 5)
    assert cache.not_kept["model.py"] == "a process did not come to its end"


def test_every_file_that_was_looked_at_counts(here, cache):
    assert keep(cache, here, files=("model.py", "data/table.csv", "not-there.toml")) == ""
    assert cache.find(TARGET, Settings())
    (here / "not-there.toml").write_text("now it is")
    assert cache.find(TARGET, Settings()) is None
    (here / "not-there.toml").unlink()
    assert cache.find(TARGET, Settings()), "back to what it was"
    (here / "model.py").write_text("two")
    assert cache.find(TARGET, Settings()) is None


def test_a_folder_counts_by_its_names(here, cache):
    assert keep(cache, here, folders=("data",)) == ""
    (here / "data" / "__pycache__").mkdir()
    (here / "data" / ".hidden").touch()
    assert cache.find(TARGET, Settings())
    (here / "data" / "helper.py").touch()  # could be imported now
    assert cache.find(TARGET, Settings()) is None


def test_settings_variables_and_versions_are_part_of_the_question(here, cache, monkeypatch):
    assert keep(cache, here) == ""
    assert cache.find(TARGET, Settings(tokens=128)) is None
    assert cache.find(Target("other.py"), Settings()) is None
    monkeypatch.setenv("TERM", "another terminal")
    assert Cache(here / "cache").find(TARGET, Settings())
    monkeypatch.setenv("MODEL_SIZE", "large")
    assert Cache(here / "cache").find(TARGET, Settings()) is None
    monkeypatch.delenv("MODEL_SIZE")
    monkeypatch.setattr(cache_module, "distributions", list)
    assert Cache(here / "cache").find(TARGET, Settings()) is None


def test_what_could_not_be_seen_is_not_kept(here, cache):
    assert "it used the network" in keep(cache, here, unseen=["it used the network"])
    assert cache.find(TARGET, Settings()) is None


def test_a_file_that_changes_while_it_runs_is_not_kept(here, cache):
    assert "was changed while it ran" in keep(cache, here, before=time.time() - 100)
    assert cache.find(TARGET, Settings()) is None


def test_a_process_that_left_no_list_is_not_kept(here, cache):
    capture = here / "capture"
    with zipfile.ZipFile(RECORDED) as archive:
        archive.extractall(capture)
    cache.keep(TARGET, Settings(), capture, load_capture(capture), time.time() + 5)
    assert cache.not_kept["model.py"] == "a process did not come to its end"


def test_a_damaged_entry_is_no_answer_and_goes_away(here, cache):
    assert keep(cache, here) == ""
    (entry,) = (here / "cache").rglob("*.zip")
    entry.write_bytes(entry.read_bytes()[:200])
    assert cache.find(TARGET, Settings()) is None
    assert not entry.exists()


def test_several_branches_are_remembered_and_no_more_than_that(here, cache):
    for number in range(MOST + 3):
        (here / "model.py").write_text(str(number))
        assert keep(cache, here) == ""
    assert len(list((here / "cache").rglob("*.zip"))) == MOST
    assert cache.find(TARGET, Settings())
    (here / "model.py").write_text(str(MOST))
    assert cache.find(TARGET, Settings())


def test_a_cache_that_cannot_be_written_is_no_error(here):
    (here / "file").touch()
    cache = Cache(here / "file" / "cache")
    assert "cannot be written" in keep(cache, here)


LOOKS = """\
import json, os, sys
from pathlib import Path
from compile_doctor.probe.files import Files
files = Files(Path(sys.argv[1]) / "capture")
files.directory.mkdir()
files.install()
os.chdir(sys.argv[1])
exec(sys.argv[2])
files.write()
print(next(files.directory.glob("files-*.json")).read_text())
"""


def looked(folder: Path, code: str) -> dict[str, list[str]]:
    (folder / "helper.py").write_text("VALUE = 1\n")
    (folder / "table.csv").write_text("1,2\n")
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, str(folder), code],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_probe_sees_what_is_opened_listed_and_imported(tmp_path):
    code = (
        "import helper; open('table.csv').read(); open('made.txt', 'w').write('x'); open('made.txt').read()\n"
        "os.listdir('.')\n"
        "try: open('missing.json')\n"
        "except OSError: pass"
    )
    found = looked(tmp_path, code)
    assert {Path(name).name for name in found["files"]} == {"helper.py", "table.csv", "missing.json"}
    assert str(tmp_path) in found["folders"] and found["unseen"] == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import subprocess; subprocess.run(['true'])", "it started a process"),
        ("os.system('true')", "it started a process"),
        ("import socket; socket.getaddrinfo('localhost', 80)", "it used the network"),
        ("import types; m = types.ModuleType('reader'); m.__file__ = '/x/site-packages/reader.so'; sys.modules['reader'] = m",
         "reader may read files by itself"),
        ("import torch; kept = torch.jit.script(torch.nn.Linear(1, 1))", "torch.jit reads its files by itself"),
    ],
)  # fmt: skip
def test_the_probe_says_what_it_cannot_see(tmp_path, code, reason):
    assert looked(tmp_path, code)["unseen"] == [reason]


@pytest.mark.compile
def test_check_answers_from_the_cache_until_something_changes(tmp_path):
    env = {"CI": None, "XDG_CACHE_HOME": str(tmp_path / "home")}
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.compile-doctor.targets]]\nname = "sum"\ntarget = "sum.py"\nbackend = "eager"\n'
    )
    (tmp_path / "scale.txt").write_text("2")
    (tmp_path / "sum.py").write_text(
        "import torch\nSCALE = float(open('scale.txt').read())\n\n\n"
        "def build_model():\n    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())\n\n\n"
        "def example_inputs():\n    return (torch.full((2, 4), SCALE),)\n"
    )
    assert run_doctor(tmp_path, "baseline", "update", env=env).returncode == 0
    first, second = (run_doctor(tmp_path, "check", env=env) for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert "(from the cache)" not in first.stdout
    assert second.stdout == first.stdout.replace("\n", " (from the cache)\n")
    in_ci = run_doctor(tmp_path, "check", env={**env, "CI": "true"})
    assert in_ci.stdout == first.stdout
    (tmp_path / "scale.txt").write_text("3")
    assert run_doctor(tmp_path, "check", env=env).stdout == first.stdout
