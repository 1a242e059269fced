"""Single edits to models, judged from recordings by the gate: harmful ones fail at their line, harmless ones do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import mutants

BASES = {base.name: base for base in mutants.bases()}
EDITS = [edit for base in BASES.values() for edit in base.edits]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.slug)
def test_edit(edit, tmp_path):
    wrong = mutants.replay(BASES[edit.base], edit, tmp_path)
    assert not wrong, wrong


def test_every_edit_is_recorded_and_no_other():
    assert {path.stem for path in mutants.EVIDENCE.glob("*.zip")} == {*BASES, *(edit.slug for edit in EDITS)}


def test_there_are_enough_of_them():
    assert sum(bool(edit.harm) for edit in EDITS) >= 30
    assert sum(not edit.harm for edit in EDITS) >= 30


@pytest.mark.parametrize(
    ("expected", "said"),
    [({"at": "self.down"}, "not"), ({"harm": "CD102"}, "no CD102"), ({"harm": "", "exit": 0}, "exit 1 instead of 0")],
)
def test_another_expectation_is_a_mistake(expected, said, tmp_path):
    """The suite can fail."""
    edit = next(edit for edit in EDITS if edit.base == "encoder" and edit.name == "print")
    assert said in mutants.replay(BASES["encoder"], replace(edit, **expected), tmp_path)
