"""Single edits to models, judged from recordings by the gate: harmful ones fail at their line, harmless ones do not."""

from __future__ import annotations

import datetime
import json
from functools import cache
from pathlib import Path

import pytest

from benchmarks import mutants
from compile_doctor import baseline
from compile_doctor.capture import load_capture
from compile_doctor.config import Configuration, GateTarget
from compile_doctor.gate import Gate
from compile_doctor.judge import judge
from compile_doctor.render import gate_renderer
from compile_doctor.report import make_report

EVIDENCE = Path(__file__).parent / "evidence" / "mutations"
BASES = {base.name: base for base in mutants.bases()}
EDITS = [edit for base in BASES.values() for edit in base.edits]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """The folder with a base model's baseline."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        entry = baseline.snapshot("model", make_report(load_capture(EVIDENCE / f"{name}.zip")))
        baseline.write(baseline.path_of(folder, "model", entry["torch"], entry["device"]), entry)
        return folder

    return made


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.slug)
def test_edit(edit, folder_of):
    base = BASES[edit.base]
    configuration = Configuration(Path("pyproject.toml"), folder_of(base.name), ())
    target = GateTarget("model", mutants.MODEL, **base.options)
    found = judge(target, load_capture(EVIDENCE / f"{edit.slug}.zip"), configuration, datetime.date(2026, 11, 21))
    gate = Gate((found,), "2.13.0", "cpu")
    document = json.loads(gate_renderer("json")(gate, 1, False))
    wrong = mutants.mistake(edit, mutants.edited(base, edit), gate.exit_code, document)
    assert not wrong, wrong


def test_every_edit_is_recorded_and_no_other():
    assert {path.stem for path in EVIDENCE.glob("*.zip")} == {*BASES, *(edit.slug for edit in EDITS)}


def test_there_are_enough_of_them():
    assert sum(bool(edit.harm) for edit in EDITS) >= 30
    assert sum(not edit.harm for edit in EDITS) >= 20
