"""The cache of `check`: what it answers, what it must not answer, and why it keeps nothing of some targets."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from conftest import ROOT, run_doctor

from compile_doctor.capture import load_capture
from compile_doctor.gate import cache as cache_module
from compile_doctor.gate.cache import MOST, SEEN, Cache
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.seen_files import Look, Seen, look
from compile_doctor.targets.target import Target

RECORDED = ROOT / "tests" / "evidence" / "2.13.0" / "cd102-fires.zip"
LADDER = RECORDED.with_name("cd502-fires.zip")
"""Several sizes, each in a folder of its own."""
ASKED = load_capture(RECORDED).asked
TARGET, SETTINGS = Target(ASKED.target), ASKED.settings


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
    unseen=(),
    early=(),
    before: float | None = None,
    recorded: Path = RECORDED,
    meanwhile: Callable[[], object] = lambda: None,
) -> str:
    """As if `recorded` had run here and each of its processes had looked at those files; then `meanwhile` happened."""
    capture = folder / "capture"
    shutil.rmtree(capture, ignore_errors=True)
    with zipfile.ZipFile(recorded) as archive:
        archive.extractall(capture)
    evidence = load_capture(capture)
    looks = {str(folder / name): look(str(folder / name)) for name in files}
    seen = asdict(Seen(looks, [str(folder / name) for name in early], list(unseen)))
    for process in capture.rglob("process-*.jsonl"):
        list_of(process).write_text(json.dumps(seen))
    meanwhile()
    return again(cache, evidence, capture, before)


def again(cache: Cache, evidence: Evidence, capture: Path, before: float | None = None) -> str:
    cache.not_kept.clear()
    asked = evidence.asked
    cache.keep(Target(asked.target), asked.settings, capture, evidence, time.time() + 5 if before is None else before)
    return cache.not_kept.get(asked.target, "")


def list_of(process: Path) -> Path:
    return process.with_name(f"files-{process.stem.removeprefix('process-')}.json")


def find(cache: Cache) -> Evidence | None:
    return cache.find(TARGET, SETTINGS)


def entry_of(folder: Path) -> Path:
    (entry,) = (folder / "cache").rglob("*.zip")
    return entry


def test_the_answer_is_what_was_seen(here, cache):
    assert find(cache) is None
    assert keep(cache, here) == ""
    found = find(cache)
    assert found.cached
    assert replace(found, cached=False) == load_capture(here / "capture")


def test_a_run_up_a_ladder_of_sizes_is_kept(here, cache):
    assert keep(cache, here, recorded=LADDER) == ""
    asked = load_capture(LADDER).asked
    assert len(cache.find(Target(asked.target), asked.settings).rungs) > 1
    (next((here / "capture").rglob("files-*.json"))).unlink()
    assert again(cache, load_capture(here / "capture"), here / "capture") == "a process did not finish successfully"


def test_every_file_that_was_looked_at_counts(here, cache):
    assert keep(cache, here, files=("model.py", "data/table.csv", "not-there.toml")) == ""
    assert find(cache)
    (here / "not-there.toml").write_text("now it is")
    assert find(cache) is None
    (here / "not-there.toml").unlink()
    assert find(cache), "back to what it was"
    (here / "model.py").write_text("two")
    assert find(cache) is None
    (here / "model.py").write_text("one")
    assert find(cache), "the same content in another file is the same"


def test_a_folder_counts_by_its_names(here, cache):
    assert keep(cache, here, files=("model.py", "data")) == ""
    (here / "data" / "__pycache__").mkdir()
    (here / "data" / ".hidden").touch()
    assert find(cache)
    (here / "data" / "helper.py").touch()  # could be imported now
    assert find(cache) is None


def test_a_link_that_leads_elsewhere_is_a_change(here, cache):
    for name in ("one.csv", "two.csv"):
        (here / name).write_text("the same")
    (here / "table.csv").symlink_to("one.csv")
    assert keep(cache, here, files=("table.csv",)) == ""
    assert find(cache)
    (here / "table.csv").unlink()
    (here / "table.csv").symlink_to("two.csv")
    assert find(cache) is None


def swap(path: Path, content: str) -> None:
    """As an editor does: another file in its place, as old as the first."""
    was = path.stat()
    other = path.with_name("other")
    other.write_text(content)
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    os.replace(other, path)


def rewrite(path: Path, content: str) -> None:
    was = path.stat()
    path.write_text(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def there_and_back(path: Path, change: Callable[[Path, str], None], other: str, was: str) -> None:
    time.sleep(0.02)  # longer than a tick of the clock that files have
    change(path, other)
    change(path, was)


CHANGES = {
    "another file of the same age": lambda here: swap(here / "model.py", "two"),
    "another file, the same content": lambda here: there_and_back(here / "model.py", swap, "two", "one"),
    "the time restored": lambda here: rewrite(here / "model.py", "two"),
    "changed back": lambda here: there_and_back(here / "model.py", rewrite, "two", "one"),
    "deleted": lambda here: (here / "model.py").unlink(),
    "made": lambda here: (here / "missing.csv").touch(),
    "link switched": lambda here: relink(here / "link.csv", "other.csv"),
    "link switched and back": lambda here: there_and_back(here / "link.csv", relink, "other.csv", "some.csv"),
    "folder of a link switched": lambda here: relink(here / "folder", "elsewhere"),
    "a name in a folder": lambda here: (here / "data" / "new.py").touch(),
    "a FIFO now": lambda here: ((here / "model.py").unlink(), os.mkfifo(here / "model.py")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_while_it_runs_is_not_kept(here, cache, change):
    for name in ("some.csv", "other.csv"):
        (here / name).write_text("the same")
    (here / "elsewhere").mkdir()
    for folder in ("data", "elsewhere"):
        (here / folder / "x.csv").write_text("x")
    (here / "link.csv").symlink_to("some.csv")
    (here / "folder").symlink_to("data")
    files = ("model.py", "missing.csv", "link.csv", "folder/x.csv", "data")
    assert keep(cache, here, files) == ""
    reason = keep(cache, here, files, meanwhile=lambda: CHANGES[change](here))
    assert reason.endswith("was changed while it ran")


def test_a_file_that_is_younger_than_the_run_is_not_kept(here, cache):
    assert "was changed while it ran" in keep(cache, here, before=time.time() - 100)
    assert find(cache) is None


def test_what_was_loaded_before_anybody_watched_is_older_than_the_doctor(here):
    (here / "sitecustomize.py").write_text("1")
    cache = Cache(here / "cache")
    assert keep(cache, here, ("model.py", "sitecustomize.py"), early=("sitecustomize.py",)) == ""
    (here / "sitecustomize.py").write_text("2")
    cache._began -= 100
    reason = keep(cache, here, ("model.py", "sitecustomize.py"), early=("sitecustomize.py",))
    assert reason == f"{here / 'sitecustomize.py'} was changed while it ran"


def test_no_file_at_all_is_not_kept(here, cache):
    assert keep(cache, here, files=()) == "no source file was recorded"
    assert keep(cache, here, files=("not-there", "data")) == "no source file was recorded"


def test_what_is_inconclusive_is_not_kept(here, cache):
    keep(cache, here)
    evidence = load_capture(here / "capture")
    assert again(cache, replace(evidence, damage=("x.log is missing",)), here / "capture") == "it is inconclusive"
    assert again(cache, replace(evidence, breaks=(), phases={}), here / "capture") == "it is inconclusive"


@pytest.mark.parametrize("text", ["", "[]", '{"files": [], "early": [], "unseen": []}', '{"files": {}}', "[" * 100_000])
def test_a_list_of_files_that_cannot_be_read_is_not_kept(here, cache, text):
    assert keep(cache, here) == ""
    for process in (here / "capture").rglob("process-*.jsonl"):
        list_of(process).write_text(text)
    assert "its list of files cannot be read" in again(cache, load_capture(here / "capture"), here / "capture")


def test_settings_variables_and_versions_are_part_of_the_question(here, cache, monkeypatch):
    assert keep(cache, here) == ""
    assert cache.find(TARGET, replace(SETTINGS, tokens=128)) is None
    assert cache.find(Target("other.py"), SETTINGS) is None
    monkeypatch.setenv("TERM", "another terminal")
    assert find(Cache(here / "cache"))
    monkeypatch.setenv("MODEL_SIZE", "large")
    assert find(Cache(here / "cache")) is None
    monkeypatch.delenv("MODEL_SIZE")
    monkeypatch.setattr(cache_module, "distributions", list)
    assert find(Cache(here / "cache")) is None


def test_what_could_not_be_seen_is_not_kept(here, cache):
    assert "it used the network" in keep(cache, here, unseen=["it used the network"])
    assert find(cache) is None


def test_a_process_that_left_no_list_is_not_kept(here, cache):
    assert keep(cache, here) == ""
    for process in (here / "capture").rglob("process-*.jsonl"):
        list_of(process).unlink()
    assert again(cache, load_capture(here / "capture"), here / "capture") == "a process did not finish successfully"


def test_a_damaged_entry_is_no_answer_and_goes_away(here, cache):
    assert keep(cache, here) == ""
    entry = entry_of(here)
    entry.write_bytes(entry.read_bytes()[:200])
    assert find(cache) is None
    assert not entry.exists()


def test_an_entry_of_another_question_is_no_answer(here, cache):
    assert keep(cache, here) == ""
    entry = entry_of(here)
    for target, settings in ((Target("other.py"), SETTINGS), (TARGET, replace(SETTINGS, grad=True))):
        place = here / "cache" / cache._asked(target, settings)["place"]
        place.mkdir(0o700)
        shutil.copy(entry, place)
        assert cache.find(target, settings) is None
        assert not list(place.iterdir())
    assert find(cache)


def test_several_branches_are_remembered_and_no_more_than_that(here, cache):
    for number in range(MOST + 3):
        (here / "model.py").write_text(str(number))
        assert keep(cache, here) == ""
    assert len(list((here / "cache").rglob("*.zip"))) == MOST
    assert find(cache)
    (here / "model.py").write_text(str(MOST))
    assert find(cache)


def test_a_cache_that_cannot_be_written_is_no_error(here, monkeypatch):
    (here / "file").touch()
    assert "cannot be written" in keep(Cache(here / "file" / "cache"), here)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    cache = Cache(here / "cache")
    assert keep(cache, here) == "the cache cannot be written: No space left on device"
    assert not [one for one in (here / "cache").rglob("*") if one.is_file()]


def test_folders_and_entries_are_the_users_alone(here, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "new" / "home"))
    was = os.umask(0)
    try:
        assert keep(Cache(), here) == ""
    finally:
        os.umask(was)
    made = [here / "new", *(here / "new").rglob("*")]
    assert {stat.S_IMODE(one.stat().st_mode) for one in made if one.is_dir()} == {0o700}
    assert {stat.S_IMODE(one.stat().st_mode) for one in made if one.is_file()} == {0o600}


def moved(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to("away")


EXPOSED = {
    "other users can write to it": lambda path: path.chmod(0o777),
    "it is a symbolic link": moved,
    "it belongs to another user": lambda path: os.chown(path, 12345, 12345),
}


@pytest.mark.parametrize("what", ["compile-doctor", "check", "place", "entry"])
@pytest.mark.parametrize("how", EXPOSED)
def test_what_others_could_have_written_is_not_used(here, monkeypatch, what, how):
    if "user" in how and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "home"))
    cache = Cache()
    assert keep(cache, here) == ""
    assert find(cache)
    (entry,) = (here / "home").rglob("*.zip")
    path = {"entry": entry, "place": entry.parent, "check": cache.folder, "compile-doctor": cache.folder.parent}[what]
    EXPOSED[how](path)
    held = entry.read_bytes()
    assert find(cache) is None
    assert entry.read_bytes() == held, "it is not ours to remove"
    reason = keep(cache, here)
    if what == "entry":
        assert how in cache.notes()[0]
    else:
        assert how in reason and str(path) in reason
        assert cache.notes() == [f"{TARGET.text} is not kept in the cache: {reason}"]


@pytest.mark.parametrize("answer", [RuntimeError("no home"), Path("~/.cache/compile-doctor")], ids=["new", "old"])
def test_a_user_without_a_home_has_no_cache(here, monkeypatch, answer):
    """As new and older versions of platformdirs answer for a user whom nobody knows."""

    def nobody(*_: object, **__: object) -> Path:
        if isinstance(answer, Path):
            return answer
        raise answer

    monkeypatch.setattr(platformdirs, "user_cache_path", nobody)
    cache = Cache()
    assert find(cache) is None
    assert "no home directory" in keep(cache, here)


@pytest.mark.parametrize("base", ["", "relative/cache"])
def test_only_an_absolute_xdg_cache_home_counts(here, monkeypatch, base):
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    monkeypatch.setenv("HOME", str(here))
    assert Cache().folder == here / ".cache" / "compile-doctor" / "check"
    monkeypatch.setenv("HOME", "relative")
    folder = Cache().folder  # new versions of platformdirs ask the system for the home, older ones give a relative one
    assert folder is None or (folder.is_absolute() and "relative" not in folder.parts)


# -- entries that somebody has changed -------------------------------------------------------------------------------


def changed(text: bytes, number: int, dice: random.Random) -> bytes:
    """One of many ways to change seen.json."""
    seen = json.loads(text)
    name = dice.choice(sorted(seen))
    file = dice.choice(sorted(seen["files"]))
    content = seen["files"][file]
    field = dice.choice(sorted(content))
    odd = dice.choice([None, True, -1, 0, 1e999, float("nan"), 1 << 70, "", "x", "\u202e", [], {}, [[]], {"": 0}])
    kinds: list[Callable[[], object]] = [
        lambda: seen.pop(name),
        lambda: seen.update({name: odd}),
        lambda: seen.update({"more": odd}),
        lambda: content.pop(field),
        lambda: content.update({field: odd}),
        lambda: content.update({"more": odd}),
        lambda: content.update(digest=content["digest"][::-1]),
        lambda: content.update(digest=content["digest"].upper()),
        lambda: content.update(size=content["size"] + 1),
        lambda: content.update(size=str(content["size"])),
        lambda: content.update(size=1 << 62),
        lambda: content.update(kind="missing"),
        lambda: content.update(path="/etc/hostname"),
        lambda: seen.update(files={}),
        lambda: seen["files"].pop(file),
        lambda: seen["files"].update({"/dev/zero": content}),
        lambda: seen["files"].update({"": content}),
        lambda: seen["files"].update({"\0": content}),
        lambda: seen["files"].update({file + "/../" * 50: content}),
        lambda: seen.update(target="other.py"),
        lambda: seen.update(place="0" * 64),
        lambda: seen.update(doctor="0.0.0"),
        lambda: seen.update(schema=seen["schema"] + "0"),
        lambda: seen.update(cwd="/"),
        lambda: seen["options"].update(grad=True),
        lambda: seen["options"].pop(dice.choice(sorted(seen["options"]))),
    ]
    raw: list[Callable[[], bytes]] = [
        lambda: text[: dice.randrange(len(text))],
        lambda: text + b" ",
        lambda: text + text,
        lambda: b"[" * 100_000,
        lambda: b"{" + text[1:].replace(b'"target"', b'"target":"x","target"', 1),
        lambda: bytes([text[0]]) + b" " + text[1:],
        lambda: text.replace(b'"', b"'"),
        lambda: b"\xff\xfe" + text,
        lambda: b"",
    ]
    number %= len(kinds) + len(raw)
    if number >= len(kinds):
        return raw[number - len(kinds)]()
    kinds[number]()
    return json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()


def packed(entry: bytes, text: bytes) -> bytes:
    """The entry with another seen.json."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(entry)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.namelist():
            new.writestr(one, text if one == SEEN else old.read(one))
    return made.getvalue()


def flipped(entry: bytes, dice: random.Random) -> bytes:
    made = bytearray(entry)
    for _ in range(dice.choice([1, 1, 2, 8])):
        # Names and offsets are at the end: half of all flips.
        at = dice.randrange(len(made)) if dice.random() < 0.5 else len(made) - 1 - dice.randrange(min(1500, len(made)))
        made[at] ^= 1 << dice.randrange(8)
    return bytes(made)


@pytest.mark.parametrize("addressed", [False, True], ids=["in its place", "under the name of its content"])
def test_a_changed_entry_is_never_an_answer(here, cache, addressed):
    assert keep(cache, here, files=("model.py", "data", "missing")) == ""
    entry = entry_of(here)
    place, whole = entry.parent, entry.read_bytes()
    with zipfile.ZipFile(entry) as archive:
        text = archive.read(SEEN)
    seen, answer = json.loads(text), find(cache)
    dice = random.Random(16)
    for number in range(1000):
        content = packed(whole, changed(text, number, dice)) if number % 2 else flipped(whole, dice)
        entry.unlink(missing_ok=True)
        entry = place / f"{cache_module._digest(content) if addressed else cache_module._digest(whole)}.zip"
        entry.write_bytes(content)
        found = find(cache)
        if found is None:
            assert number % 2 or not entry.exists(), "what cannot be read goes away"
            continue
        # Nobody else can write here. Who does, under the right name, can leave a file out, and nothing else.
        with zipfile.ZipFile(entry) as archive:
            now = json.loads(archive.read(SEEN))
        assert addressed and found == answer
        assert now["files"].items() <= seen["files"].items()
        assert {**now, "files": None} == {**seen, "files": None}


LOOKS = """\
import os, sys
from pathlib import Path
from compile_doctor.probe.observe.files import Files
assert "torch" not in sys.modules
files = Files(Path(sys.argv[1]).parent / "capture")
files.directory.mkdir(exist_ok=True)
os.chdir(sys.argv[1])
files.install()
exec(sys.argv[2])
files.write()
print((files.directory / f"files-{os.getpid()}.json").read_text())
"""


def looked(folder: Path, code: str) -> dict[str, Any]:
    """What the probe wrote down of code that ran in `folder`, names in it relative."""
    for name, text in (("helper.py", "VALUE = 1\n"), ("table.csv", "1,2\n")):
        if not (folder / name).exists():
            (folder / name).write_text(text)
    # Without coverage's own files among those that the probe sees.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOKS, str(folder), code],
        env={**clean, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    found["files"] = {
        name.removeprefix(f"{folder}/"): one for name, one in found["files"].items() if name.startswith(f"{folder}/")
    }
    return found


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "project"
    made.mkdir()
    return made


def kinds(found: dict[str, Any]) -> dict[str, str]:
    return {name: one["content"]["kind"] for name, one in found["files"].items()}


def test_the_probe_sees_what_is_opened_listed_and_imported(folder):
    code = (
        "open('made.txt', 'w').write('x'); open('made.txt').read()\n"
        "import helper; open('table.csv').read(); os.listdir('data')\n"
        "try: open('missing.json')\n"
        "except OSError: pass"
    )
    (folder / "data").mkdir()
    for _ in range(2):  # the second time helper.py itself is not opened: Python has it compiled
        found = looked(folder, code)
        assert found["unseen"] == []
        assert kinds(found) == {"helper.py": "file", "table.csv": "file", "missing.json": "missing", "data": "folder"}
        assert found["files"] == {name: asdict_of(look(str(folder / name))) for name in found["files"]}
    assert list((folder / "__pycache__").glob("helper.*.pyc"))


def asdict_of(one: Look) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(one)))


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("os.mkdir('in'); os.chdir('in'); open('../table.csv').read()", {"in/../table.csv"}),
        ("os.chdir('/'); os.chdir(sys.argv[1]); open('./table.csv')", {"table.csv"}),
        ("os.read(os.open('table.csv', os.O_RDONLY), 9)", {"table.csv"}),
        ("os.read(os.open('table.csv', os.O_RDWR | os.O_CREAT), 9)", {"table.csv"}),
        ("open(b'table.csv'); open(Path('table.csv'))", {"table.csv"}),
        ("open('/proc/self/cwd/table.csv')", {"table.csv"}),
        ("open('table.csv').read(); os.remove('table.csv')", {"table.csv"}),
        ("open('log', 'a').write('x'); open('log', 'a').write('x'); open('log').read()", set()),
        ("open('table.csv', 'a').write('x'); open('table.csv').read()", {"table.csv"}),
        ("open('new', 'x+').read(); open('more', 'w+').read(); open('over', 'w').close(); open('over', 'r+')", set()),
        ("import tempfile; d = tempfile.mkdtemp(dir='.'); open(d + '/x', 'w'); os.rename(d + '/x', d + '/y'); open(d + '/y'); os.listdir(d)",
         set()),
        ("import tempfile\nwith tempfile.TemporaryDirectory() as d: os.makedirs(d + '/a/b'); open(d + '/a/b/c', 'w')", set()),
        ("import shutil; os.mkdir('old'); os.mkdir('old/er'); shutil.rmtree('old')", set()),
    ],
)  # fmt: skip
def test_what_is_an_input_and_what_the_target_made_itself(folder, code, seen):
    found = looked(folder, code)
    assert (set(found["files"]), found["unseen"]) == (seen, [])


def test_a_file_is_looked_at_before_it_is_read(folder):
    was = "1,2\n"
    found = looked(
        folder,
        "open('table.csv').read(); open('new', 'w').write('3'); os.replace('new', 'table.csv'); open('table.csv')",
    )
    (folder / "table.csv").write_text(was)
    assert found["files"]["table.csv"]["content"] == asdict(look(str(folder / "table.csv")).content)


def test_a_link_and_what_it_leads_to_are_both_seen(folder):
    (folder / "link.csv").symlink_to("table.csv")
    seen = looked(folder, "open('link.csv').read()")["files"]["link.csv"]
    assert seen["content"]["path"] == str(folder / "table.csv")
    assert [mark[1] for mark in seen["marks"]] == [
        (folder / "link.csv").lstat().st_ino, (folder / "table.csv").stat().st_ino
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import subprocess; subprocess.run(['true'])", "it started a process"),
        ("os.system('true')", "it started a process"),
        ("import ctypes.util; assert ctypes.util.find_library('c')", None),  # it asks ldconfig
        ("import ctypes; ctypes.CDLL('libc.so.6')", None),
        ("import ctypes\ntry: ctypes.CDLL('./table.csv')\nexcept OSError: pass",
         "{}/table.csv may read files by itself"),
        ("import socket; socket.getaddrinfo('localhost', 80)", "it used the network"),
        ("import types; m = types.ModuleType('reader'); m.__file__ = '/x/site-packages/reader.so'; sys.modules['reader'] = m",
         "reader may read files by itself"),
        ("import torch; kept = torch.jit.script(torch.nn.Linear(1, 1))", "torch.jit reads its files by itself"),
        ("os.mkfifo('pipe'); os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)", "{}/pipe is not a regular file"),
        ("import threading; os.mkfifo('pipe'); t = threading.Thread(target=lambda: os.write(os.open('pipe', os.O_WRONLY), b'x')); t.start(); open('pipe').read(1)",
         "{}/pipe is not a regular file"),
        ("open('huge', 'w').truncate(1 << 40); fd = os.open('huge', os.O_RDONLY)", None),
        ("os.truncate(os.open('table.csv', os.O_WRONLY), 1 << 40); open('table.csv')", "{}/table.csv is too large to hash"),
        ("d = os.open('.', os.O_RDONLY); os.open('table.csv', os.O_RDONLY, dir_fd=d)", "it opened a file relative to an open folder"),
        ("open(b'\\xff.csv', 'w').close(); os.chdir('/')\ntry: open(os.fsencode(sys.argv[1]) + b'/\\xfe.csv')\nexcept OSError: pass",
         "the name of a file is not valid UTF-8"),
        ("class Odd:\n  def __fspath__(self): open('table.csv'); raise RuntimeError\ntry: open(Odd())\nexcept RuntimeError: pass", None),
        ("sys.audit('open', object(), 1, 'odd'); sys.audit('os.listdir')", "a path could not be checked (IndexError)"),
    ],
)  # fmt: skip
def test_the_probe_says_what_it_cannot_see(folder, code, reason):
    unseen = looked(folder, code)["unseen"]
    assert unseen == ([reason.format(folder)] if reason else [])


def test_code_that_was_compiled_from_another_source_is_not_trusted(folder):
    """Python takes a compiled file for the source's if size and time agree, and the time can be set."""
    looked(folder, "import helper")
    (compiled,) = (folder / "__pycache__").iterdir()
    source = folder / "helper.py"
    time.sleep(0.02)  # longer than a tick of the clock that files have
    rewrite(source, "VALUE = 1\n")
    assert looked(folder, "import helper; assert helper.VALUE == 1")["unseen"] == []
    rewrite(source, "VALUE = 2\n")
    unseen = looked(folder, "import helper; assert helper.VALUE == 1")["unseen"]
    assert unseen == [f"{compiled} may not be compiled from the current {source}: delete it"]
    source.write_text("VALUE = 3  # of another size\n")
    assert looked(folder, "import helper; assert helper.VALUE == 3")["unseen"] == []


def test_what_the_system_loads_before_the_probe_is_seen(folder):
    (folder / "sitecustomize.py").write_text("SIDE = 1\n")
    found = looked(folder, "")
    assert found["early"] == [str(folder / "sitecustomize.py")]
    assert kinds(found) == {"sitecustomize.py": "file"}


@pytest.mark.compile
def test_check_answers_from_the_cache_until_something_changes(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("project")
    env = {"CI": None, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("home"))}
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
    (tmp_path / "torch.py").touch()  # would be imported in place of torch
    assert "(from the cache)" not in run_doctor(tmp_path, "check", env=env).stdout
    (tmp_path / "torch.py").unlink()
    (tmp_path / "scale.txt").write_text("3")
    assert run_doctor(tmp_path, "check", env=env).stdout == first.stdout
