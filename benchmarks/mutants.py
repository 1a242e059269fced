"""Edits to models, as data: reads them, applies them, and checks the gate's answer to each."""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compile_doctor.capture import load_capture
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate.config import Configuration
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.decide import judge
from compile_doctor.gate.outcome import Gate
from compile_doctor.render import gate_renderer
from compile_doctor.report.make import make_report

HERE = ROOT / "benchmarks" / "edits"
EVIDENCE = ROOT / "tests" / "evidence" / "mutations"
MODEL = "model.py"
PACKAGES = "site-packages"
FIGURES = ("graphs", "frames-skipped", "recompiles", "ops-captured", "attention")
"""Kinds of change that are not one finding."""


@dataclass(frozen=True)
class Edit:
    """One change to a base model; without `harm` it is harmless."""

    base: str
    name: str
    harm: str
    """The code that the gate has to report, or one of FIGURES; empty if the edit is harmless."""
    at: str
    """A part of the edited file; the finding has to be in the line where it begins. Empty if the finding has no line."""
    exit: int
    change: tuple[Mapping[str, str], ...]

    @property
    def slug(self) -> str:
        """The name of its recording."""
        return f"{self.base}--{'-'.join(word for word in _words(self.name) if word)}"


@dataclass(frozen=True)
class Base:
    """A model before the edit, and the options of its target in pyproject.toml."""

    name: str
    target: Mapping[str, Any]
    edits: tuple[Edit, ...]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the target, with the names of GateTarget."""
        return {key.replace("-", "_"): value for key, value in self.target.items()}

    @property
    def files(self) -> dict[str, str]:
        """The files of the scratch repository."""
        packages = sorted((HERE / PACKAGES).glob("*.py"))
        return {
            MODEL: (HERE / f"{self.name}.py").read_text(),
            **{f"{PACKAGES}/{path.name}": path.read_text() for path in packages},
        }


def bases() -> list[Base]:
    """Every base model with its edits. Raises ValueError for a mistake in the data."""
    found = []
    for path in sorted(HERE.glob("*.yaml")):
        data = yaml.safe_load(path.read_text())
        edits = tuple(_edit(path.stem, entry) for entry in data["edits"])
        if len({edit.slug for edit in edits}) != len(edits):
            raise ValueError(f"{path}: two edits have the same name")
        found.append(Base(path.stem, data["target"], edits))
    return found


def _edit(base: str, entry: dict[str, Any]) -> Edit:
    unknown = set(entry) - {"name", "harm", "at", "exit", "change"}
    if unknown:
        raise ValueError(f"{base}: {entry['name']}: unknown key {unknown.pop()!r}")
    harm = entry.get("harm", "")
    return Edit(
        base, entry["name"], harm, entry.get("at", ""), entry.get("exit", 1 if harm else 0), tuple(entry["change"])
    )


def _words(name: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in name.lower()).split(" ")


def edited(base: Base, edit: Edit) -> dict[str, str]:
    """The files after the edit. A change without `old` is a new file. Raises ValueError if `old` does not occur once."""
    files = base.files
    for change in edit.change:
        file = change.get("file", MODEL)
        text, old = files.get(file, ""), change.get("old", "")
        if text.count(old) != 1 and not (old == "" and text == ""):
            raise ValueError(f"{edit.base}: {edit.name}: {old!r} occurs {text.count(old)} times in {file}, not once")
        files[file] = text.replace(old, change["new"], 1)
    return files


def mistake(edit: Edit, files: Mapping[str, str], code: int, gate: Mapping[str, Any]) -> str:
    """What is wrong with the gate's answer (its exit code and its JSON with -v); empty if nothing is."""
    (target,) = gate["targets"]
    if code != edit.exit:
        texts = [change["text"] for change in target["worse"]] or [target["reason"] or target["status"]]
        return f"exit {code} instead of {edit.exit}: {'; '.join(texts)}"
    if not edit.harm:
        return ""
    if edit.harm in FIGURES:
        texts = [one["text"] for one in target["worse"] if one["kind"] == edit.harm]
        wanted = [f":{line_of(text, edit.at)}" for text in files.values() if edit.at and edit.at in text]
        right = [text for text in texts if not edit.at or any(place in text for place in wanted)]
        return "" if right else f"nothing about {edit.harm} at {edit.at!r}: {'; '.join(texts)}"
    if edit.exit == 3:
        found = target["report"]["findings"] if target["report"] else []
    else:
        found = [one["finding"] for one in target["worse"] if one["finding"] and not one["waived"]]
    named = [finding for finding in found if finding["code"] == edit.harm]
    if not named:
        return f"no {edit.harm}: {', '.join(sorted({one['code'] for one in found})) or target['reason']}"
    lines = [finding["location"]["line"] if finding["location"] else None for finding in named]
    # If several breaks of a function are alike, the text names the lines of all: `(model.py:7 or 9)`.
    lines += [int(line) for one in target["worse"] for line in re.findall(r"(?<=[: ])\d+(?= or |\)$)", one["text"])]
    wanted = [line_of(text, edit.at) for text in files.values() if edit.at and edit.at in text] or [None]
    return "" if not edit.at or set(lines) & set(wanted) else f"{edit.harm} at line {lines}, not {wanted}"


def replay(base: Base, edit: Edit, folder: Path) -> str:
    """What is wrong with the gate's answer to the recordings. Writes the baseline of the base model into the folder."""
    found = make_report(load_capture(EVIDENCE / f"{base.name}.zip"))
    entry = baseline.snapshot("model", found)
    baseline_files.write(baseline_files.path_of(folder, "model", entry.torch, entry.device), entry)
    target = GateTarget("model", MODEL, **base.options)
    seen = load_capture(EVIDENCE / f"{edit.slug}.zip")
    outcome = judge(target, seen, Configuration(folder / "pyproject.toml", folder, ()), datetime.date(2026, 11, 21))
    gate = Gate((outcome,), entry.torch, entry.device)
    document = json.loads(gate_renderer("json")(gate, 1, False))
    return mistake(edit, edited(base, edit), gate.exit_code, document)


def line_of(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1
