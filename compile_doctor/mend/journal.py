"""What a search has done so far, in a folder of the user's: the same command continues from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from compile_doctor.errors import UsageError
from compile_doctor.mend.result import Step
from compile_doctor.model.asked import Settings

NAME = "fix.json"


class Journal:
    """`fix.json` in a folder. It is replaced in one step, so that it is whole after any interruption."""

    def __init__(self, folder: Path, target: str, settings: Settings, originals: Mapping[str, str]) -> None:
        self.file = folder / NAME
        text = json.dumps([target, asdict(replace(settings, timeout=1.0)), dict(originals)], sort_keys=True)
        self.about = hashlib.sha256(text.encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> tuple[dict[str, Any], list[Step]] | None:
        """(files, options and attributes made early, steps) of an earlier search; None if there was none. Raises UsageError if it does not fit."""
        if not self.file.exists():
            return None
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            about, known = found["about"], {name: found[name] for name in ("texts", "compiling", "made")}
            steps = [msgspec.convert(one, Step) for one in found["steps"]]
        except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
            raise UsageError(
                f"--resume: {self.file} cannot be read: {error}.", "Delete it, or give another folder."
            ) from error
        if about != self.about:
            raise UsageError(
                f"--resume: {self.file} is about another target, other options or other texts of the files.",
                "Give an empty folder, or delete the file to begin again.",
            )
        return known, steps

    def write(
        self, texts: Mapping[str, str], compiling: Mapping[str, Any], steps: list[Step], made: Sequence[str] = ()
    ) -> None:
        found = {
            "about": self.about,
            "texts": dict(texts),
            "compiling": dict(compiling),
            "made": list(made),
            "steps": [_plain(one) for one in steps],
        }
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(found, indent=1), encoding="utf-8")
        part.replace(self.file)


def _plain(step: Step) -> dict[str, Any]:
    found = asdict(step)
    del found["finding"]["facts"]  # those of the check, not of the finding
    return found
