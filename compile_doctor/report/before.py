"""Reads a capture beside that of an earlier run, to see which part of the key of torch's cache is another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from compile_doctor.analysis.starts import asked_again, differences
from compile_doctor.capture.load import load_capture
from compile_doctor.errors import CaptureError
from compile_doctor.model.evidence import Evidence


def load_before(path: Path, earlier: Path) -> Evidence:
    """The run of `path` with that of `earlier` in it. Raises CaptureError if a capture has no answer of a cache to compare."""
    old, new = load_capture(earlier), load_capture(path)
    for one, name in ((old, earlier), (new, path)):
        if not any(answer.parts or answer.key for each in one.compilations for answer in each.answers):
            raise CaptureError(
                f"{name} has no key of torch's cache, so there is nothing to compare.",
                hint="The caches may be off, or the backend is not Inductor.",
            )
    both = replace(new, earlier=old.earlier or old, before=earlier.name)
    if not any(one.before is not None for one in asked_again(both)):
        raise CaptureError(f"{path} and {earlier} have no function in common that was compiled with a cache.")
    return replace(both, notes=(*new.notes, *_notes(both)))


def _notes(both: Evidence) -> list[str]:
    compared = list(asked_again(both))
    met = [one for one in compared if one.before is not None]
    same = [one for one in met if one.answer.key and one.answer.key == one.before.key]  # type: ignore[union-attr]
    notes = [
        f"{len(same)} of {len(compared)} keys are those of {both.before}; {len(compared) - len(met)} graphs are not in it."
    ]
    unknown = [one for one in met if one not in same and not one.changed]
    if unknown:
        notes.append(f"{len(unknown)} keys differ, and torch did not write of what they are made.")
    told = list(differences(both))
    if told:
        notes += [f"Differs: {text}." for text in told[:20]]
    return notes
