"""`[tool.compile-doctor]`: what is refused, and that the message names file, table, field, value and what is right. No torch."""

from __future__ import annotations

import datetime
import os
import random
from pathlib import Path

import pytest
from baseline_mutations import MUTATIONS
from click.testing import CliRunner

from compile_doctor.checks import all_checks
from compile_doctor.cli.baseline import command as baseline_command
from compile_doctor.cli.check import command as check_command
from compile_doctor.errors import UsageError
from compile_doctor.gate.config import LARGEST, choose, parse_owners, read_configuration
from compile_doctor.gate.config_records import EXAMPLES
from compile_doctor.gate.config_tables import GateTarget, Waiver

HEAD = "[tool.compile-doctor]\n"
TARGET = '[[tool.compile-doctor.targets]]\nname = "gpt"\ntarget = "model.py"\n'
WAIVER = '[[tool.compile-doctor.waivers]]\ncode = "CD101"\nplace = "model.py"\nreason = "known"\nexpires = 2027-01-31\n'


def read(folder: Path, text: str):
    (folder / "pyproject.toml").write_text(text)
    return read_configuration(folder)


def refusal(folder: Path, text: str) -> UsageError:
    """The error, which names the file whatever it is about."""
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    assert str(folder / "pyproject.toml") in str(caught.value) and caught.value.exit_code == 2
    return caught.value


def test_every_field_is_read_and_its_key_has_dashes(tmp_path):
    text = """\
[tool.compile-doctor]
baseline-dir = "kept/here"
owners = ["torch", "mine"]
jobs = 3
cache = false

[[tool.compile-doctor.targets]]
name = "Größe/1"
target = "models/vit.py:build"
tokens = 64
device = "cuda:1"
backend = "inductor"
mode = "max-autotune"
dynamic = false
grad = true
as-is = true
repeat = 3
patches = "auto"
require-fused = true
require-cudagraphs = true
timeout = 60
memory-limit = "8GB"
numerics = true
max-compile-seconds = 1.5
max-peak-bytes = 1000

[[tool.compile-doctor.waivers]]
code = "CD101"
place = "models/vit.py:Model.forward"
reason = \"\"\"two
lines\"\"\"
expires = 2027-01-31
target = "Größe/1"
"""
    found = read(tmp_path, text)
    assert found.targets == (
        GateTarget(
            "Größe/1",
            "models/vit.py:build",
            *(64, "cuda:1", "inductor", "max-autotune", False, True, True, 3),
            *("auto", True, 60.0, "8GB", True, 1.5, 1000, True),
        ),
    )
    place, day = "models/vit.py:Model.forward", datetime.date(2027, 1, 31)
    assert found.waivers == (Waiver("CD101", place, "two\nlines", day, "Größe/1"),)
    assert found.baseline_dir == tmp_path / "kept" / "here" and found.owners == ("torch", "mine")
    assert (found.jobs, found.cache) == (3, False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("owners = []", "owners = [] is not valid: it has to be a list of mine, dependency, torch, with at least one"),
        ('owners = ["mine", "everybody"]', "owners = ['mine', 'everybody'] is not valid"),
        ('owners = ["Mine"]', "owners = ['Mine'] is not valid"),
        ('owners = "mine"', "owners = 'mine' is of the wrong type"),
        ("jobs = 0", "jobs = 0 is not valid: it has to be a whole number of at least 1"),
        ("jobs = -1", "jobs = -1 is not valid"),
        ("jobs = true", "jobs = true is of the wrong type"),
        ("jobs = 2.0", "jobs = 2.0 is of the wrong type"),
        ('cache = "no"', "cache = 'no' is of the wrong type: it has to be true or false"),
        ('baseline-dir = ""', "baseline-dir = '' is not valid"),
        ('baseline-dir = " "', "baseline-dir = ' ' is not valid"),
        ('baseline-dir = "a\\\\b"', "without backslashes (write /)"),
        ('baseline-dir = "a\\u0000b"', "baseline-dir = 'a\\x00b' is not valid"),
        ('baseline-dir = "pyproject.toml"', "pyproject.toml is not a folder"),
        ('baseline-dir = "pyproject.toml/deeper"', "pyproject.toml is not a folder"),
        ('baseline-dir = "deep/../../file"', "file is not a folder"),
        ("owner = 1", "unknown key 'owner'; did you mean 'owners'?"),
        ("zzz = 1", "unknown key 'zzz'; the known keys are baseline-dir, targets, owners, waivers, jobs, cache."),
        ("targets = 1", "targets = 1 is of the wrong type: it has to be a list"),
        ('targets = ["model.py"]', "[[tool.compile-doctor.targets]] 1 = 'model.py' is not a table"),
    ],
)
def test_what_is_refused_in_the_table(tmp_path, line, message):
    (tmp_path / "file").write_text("")
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    error = refusal(project, HEAD + line + "\n" + (TARGET if "targets" not in line else ""))
    assert message in str(error) and "{" not in error.hint


NUMBERS = ("tokens", "repeat", "max-peak-bytes")
SECONDS = ("timeout", "max-compile-seconds")
TEXTS = ("target", "device", "backend", "mode", "patches", "memory-limit")


@pytest.mark.parametrize("value", ["0", "-1", "1.0", "inf", "nan", '"1"', "true", "[1]", "10000000000000000000000000"])
@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_that_counts_something_is_at_least_1(tmp_path, key, value):
    text = str(refusal(tmp_path, HEAD + TARGET + f"{key} = {value}\n"))
    assert f"[[tool.compile-doctor.targets]] 'gpt': {key} = " in text and "a whole number of at least 1" in text


@pytest.mark.parametrize("value", ["0", "0.0", "-0.5", "inf", "-inf", "nan", "1e300", '"1"', "true"])
@pytest.mark.parametrize("key", SECONDS)
def test_seconds_are_finite_and_not_nothing(tmp_path, key, value):
    text = str(refusal(tmp_path, HEAD + TARGET + f"{key} = {value}\n"))
    assert f"'gpt': {key} = " in text and "a number of seconds from 0.1 to 1,000,000" in text


@pytest.mark.parametrize(
    "value", ['""', '" "', '"\\t"', '"\\u200b"', '"a\\\\b"', '"a\\nb"', '"a\\u202eb"', "1", "true"]
)
@pytest.mark.parametrize("key", TEXTS)
def test_text_has_something_in_it_that_can_be_seen(tmp_path, key, value):
    table = TARGET.replace('target = "model.py"\n', "") if key == "target" else TARGET
    text = str(refusal(tmp_path, HEAD + table + f"{key} = {value}\n"))
    assert f"'gpt': {key} = " in text and "text with a letter or digit in it" in text


@pytest.mark.parametrize("value", ['"yes"', "1", "0"])
@pytest.mark.parametrize("key", ["grad", "as-is", "dynamic", "require-fused", "require-cudagraphs", "numerics"])
def test_a_switch_is_true_or_false(tmp_path, key, value):
    assert "it has to be true or false" in str(refusal(tmp_path, HEAD + TARGET + f"{key} = {value}\n"))


@pytest.mark.parametrize("value", ["much", "8 GX", "0", "-1GB", "1e3", "0.0000001", "GB"])
def test_a_memory_limit_is_a_size_when_it_is_read(tmp_path, value):
    text = str(refusal(tmp_path, HEAD + TARGET + f'memory-limit = "{value}"\n'))
    assert f"'gpt': memory-limit = '{value}' is not valid: it has to be a size such as 8GB." in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TARGET.replace('name = "gpt"\n', ""), "[[tool.compile-doctor.targets]] 1: name is missing"),
        (TARGET.replace('target = "model.py"\n', ""), "[[tool.compile-doctor.targets]] 'gpt': target is missing"),
        (TARGET.replace('"gpt"', '" "'), "name = ' ' is not valid"),
        (TARGET.replace('"gpt"', "3"), "[[tool.compile-doctor.targets]] 1: name = 3 is of the wrong type"),
        (TARGET + "require_fused = true\n", "unknown key 'require_fused'; did you mean 'require-fused'?"),
        (TARGET + TARGET, "two targets are named 'gpt'"),
    ],
)
def test_what_is_refused_in_a_target(tmp_path, text, message):
    assert message in str(refusal(tmp_path, HEAD + text))


def test_names_that_differ_in_case_are_two_targets(tmp_path):
    assert len(read(tmp_path, HEAD + TARGET + TARGET.replace("gpt", "GPT")).targets) == 2


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ('[tool.compile-doctor.targets.gpt]\ntarget = "model.py"\n', "gpt"),
        ('[tool.compile-doctor.targets]\nname = "mine"\ntarget = "model.py"\n', "mine"),
        ("[tool.compile-doctor.targets]\n", "model"),
    ],
)
def test_a_table_with_one_pair_of_brackets_is_answered_with_the_right_form(tmp_path, table, name):
    error = refusal(tmp_path, HEAD + table)
    assert table.splitlines()[0] in str(error) and "a list of tables" in str(error)
    assert f'[[tool.compile-doctor.targets]]\nname = "{name}"\n' in error.hint
    assert read(tmp_path, HEAD + error.hint).targets == (GateTarget(name, "model.py"),)


@pytest.mark.parametrize(
    "table", ["[tool.compile-doctor.waivers.one]\n", '[tool.compile-doctor.waivers]\ncode = "x"\n']
)
def test_the_same_for_waivers(tmp_path, table):
    error = refusal(tmp_path, HEAD + TARGET + table)
    assert error.hint == EXAMPLES["waivers"]
    assert read(tmp_path, HEAD + TARGET + error.hint).waivers[0].code == "CD101"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'code = "CD101"',
            'code = "CD999"',
            "[[tool.compile-doctor.waivers]] 1: code = 'CD999' is not the code of a check",
        ),
        ('code = "CD101"', 'code = "cd101"', "did you mean 'CD101'?"),
        ('code = "CD101"', 'code = "graph-break"', "the known codes are CD001, CD002, "),
        ('code = "CD101"\n', "", "code is missing"),
        ('place = "model.py"', 'place = ""', "place = '' is not valid"),
        ('place = "model.py"', 'place = "a\\\\model.py"', "write /"),
        ('reason = "known"', 'reason = ""', "reason = '' is not valid: it has to be text with a letter or digit in it"),
        ('reason = "known"', 'reason = " \\n"', "reason = ' \\n' is not valid"),
        ('reason = "known"', 'reason = "…"', "reason = '…' is not valid"),
        ('reason = "known"\n', "", "reason is missing"),
        ("expires = 2027-01-31", "expires = 2027-01-31T00:00:00", "expires = 2027-01-31 00:00:00 is of the wrong type"),
        ("expires = 2027-01-31", "expires = 10:00:00", "expires = 10:00:00 is of the wrong type"),
        ("expires = 2027-01-31", 'expires = "2027-01-31"', "a day without a time or quotes, such as 2027-01-31"),
        ("expires = 2027-01-31\n", "", "expires is missing"),
        (
            "expires = 2027-01-31",
            'expires = 2027-01-31\ntarget = "vit"',
            "target = 'vit' is not the name of a target; the names are gpt.",
        ),
        ("expires = 2027-01-31", 'expires = 2027-01-31\ntarget = ""', "target = '' is not valid"),
        ("expires = ", "until = ", "unknown key 'until'; the known keys are code, place, reason, expires, target."),
    ],
)
def test_what_is_refused_in_a_waiver(tmp_path, old, new, message):
    assert message in str(refusal(tmp_path, HEAD + TARGET + WAIVER.replace(old, new, 1)))


def test_a_waiver_takes_the_code_of_any_check_that_judges(tmp_path):
    for check in all_checks():
        text = HEAD + TARGET + WAIVER.replace("CD101", check.code)
        if check.exit_code:
            error = refusal(tmp_path, text)
            assert "cannot be waived" in str(error) and error.hint == f"compile-doctor explain {check.code}"
        else:
            assert read(tmp_path, text).waivers[0].code == check.code


# The file itself


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[tool.compile-doctor", "is not valid TOML"),
        (b"[tool.compile-doctor]\nowners = [\xff]", "is not UTF-8"),
        ((HEAD + "jobs = " + "9" * 5000).encode(), "cannot be read"),
        ((HEAD + "jobs = " + "[" * 50_000).encode(), "pyproject.toml"),
        (b"#" * (LARGEST + 1), f"it has more than {LARGEST:,} bytes"),
        (b"[[tool.compile-doctor]]\n", "tool.compile-doctor is not a table"),
        (b"[tool]\ncompile-doctor = 3\n", "tool.compile-doctor is not a table"),
    ],
    ids=["toml", "bytes", "digits", "nested", "large", "list", "number"],
)
def test_a_file_that_is_none(tmp_path, content, message):
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_configuration(tmp_path)
    assert message in str(caught.value) and str(tmp_path / "pyproject.toml") in str(caught.value)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "dangling", "loop"])
def test_what_is_not_a_regular_file_is_neither_read_nor_passed_over(tmp_path, kind):
    """Passed over, the file of a folder further up would decide, which has other targets."""
    (tmp_path / "pyproject.toml").write_text(HEAD + TARGET)
    file = tmp_path / "deep" / "pyproject.toml"
    file.parent.mkdir()
    make = {
        "fifo": lambda: os.mkfifo(file),
        "folder": file.mkdir,
        "device": lambda: file.symlink_to("/dev/zero"),
        "dangling": lambda: file.symlink_to(tmp_path / "nowhere"),
        "loop": lambda: file.symlink_to(file),
    }
    make[kind]()
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_configuration(file.parent)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("kind", ["a bit", "cut", "without a piece", "a piece twice", "a foreign piece"])
def test_a_mutated_file_is_an_error_or_a_configuration(tmp_path, kind):
    original = (
        HEAD + 'owners = ["mine"]\njobs = 2\n\n' + TARGET + 'timeout = 60\nmemory-limit = "8GB"\n\n' + WAIVER
    ).encode()
    read_at_all = 0
    for number in range(300):
        content = MUTATIONS[kind](original, random.Random(f"{kind}/{number}"))
        (tmp_path / "pyproject.toml").write_bytes(content)
        try:
            found = read_configuration(tmp_path)
        except UsageError:
            continue
        read_at_all += 1
        assert found.owners and found.jobs >= 1 and all(waiver.reason.strip() for waiver in found.waivers)
        assert all(target.name.strip() and 0 < target.timeout < 1e7 and target.repeat for target in found.targets)
    assert 0 < read_at_all < 300


def test_a_pyproject_of_others_is_passed_over(tmp_path):
    (tmp_path / "pyproject.toml").write_text(HEAD + TARGET)
    (tmp_path / "deep").mkdir()
    for text in ("", "tool = 3\n", "[tool.other]\n"):
        (tmp_path / "deep" / "pyproject.toml").write_text(text)
        assert read_configuration(tmp_path / "deep").file == tmp_path / "pyproject.toml"


# The command line


def test_no_targets_at_all_and_one_that_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(HEAD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"has no \[\[tool\.compile-doctor\.targets\]\]") as caught:
        choose(())
    assert '[[tool.compile-doctor.targets]]\nname = "model"' in caught.value.hint
    (tmp_path / "pyproject.toml").write_text(HEAD + TARGET)
    with pytest.raises(UsageError, match="has no target 'vit'"):
        choose(("vit",))
    assert [target.name for target in choose(("gpt", "gpt"))[1]] == ["gpt"], "once is enough"


@pytest.mark.parametrize("text", ["", ",", " ", "mine,", ",mine", "mine,,torch", "Mine", "everybody"])
def test_owners_on_the_command_line(tmp_path, monkeypatch, text):
    with pytest.raises(UsageError, match=r"is not a valid owner. Give some of mine, dependency, torch") as caught:
        parse_owners(text)
    assert f"--owners {text!r}" in str(caught.value)
    (tmp_path / "pyproject.toml").write_text(HEAD + TARGET)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(check_command, ["--owners", text], standalone_mode=False)
    assert isinstance(done.exception, UsageError) and "--owners" in str(done.exception)


def test_owners_that_are_right():
    assert parse_owners("torch, mine") == ("mine", "torch") and parse_owners("mine") == ("mine",)


@pytest.mark.parametrize("arguments", [["update"], ["prune"], ["diff", "--from", "2.12", "--to", "2.13"]])
def test_every_command_of_the_gate_refuses_it(tmp_path, monkeypatch, arguments):
    (tmp_path / "pyproject.toml").write_text(HEAD + "owners = []\n" + TARGET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    done = CliRunner().invoke(baseline_command, arguments, standalone_mode=False)
    assert isinstance(done.exception, UsageError) and "owners = []" in str(done.exception)
