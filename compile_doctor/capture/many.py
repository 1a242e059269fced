"""Reads several captures of one distributed run, such as one of each machine, as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compile_doctor.capture.load import load_capture
from compile_doctor.capture.ranks import Collector, joined
from compile_doctor.errors import CaptureError
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import ranges


def load_captures(paths: Sequence[Path]) -> Evidence:
    """One capture, or several of the same run. Raises CaptureError if they do not belong together."""
    if len(paths) == 1:
        return load_capture(paths[0])
    collector = Collector()
    parts: list[tuple[Path, Evidence]] = []
    for path in paths:
        evidence = load_capture(path)
        _require_ranks(path, evidence)
        for before, other in parts:
            _require_one_run(path, evidence, before, other)
        collector.add_all(evidence.ranks, str(path))
        # Only what is not about ranks: their evidence is in the collector, once for all that did the same.
        parts.append((path, replace(evidence, compilations=(), breaks=(), logs=(), counts=())))
    outside = [evidence.ranks.outside for _, evidence in parts if evidence.ranks.outside is not None]
    whole = joined(collector.ranks(_together(outside)), parts[0][1].asked, ())
    return replace(
        whole,
        children=tuple(child for _, evidence in parts for child in evidence.children),
        sources={name: text for _, evidence in parts for name, text in evidence.sources.items()},
        damage=tuple(f"{path}: {text}" for path, evidence in parts for text in evidence.damage),
        lost=tuple(f"{path}: {text}" for path, evidence in parts for text in evidence.lost),
    )


def _together(outside: Sequence[Evidence]) -> Evidence | None:
    """The launchers of all machines."""
    if not outside:
        return None
    return replace(outside[0], failures=tuple(failure for one in outside for failure in one.failures))


def _require_ranks(path: Path, evidence: Evidence) -> None:
    if not evidence.ranks:
        raise CaptureError(
            f"{path} has no ranks: several captures are read together only if they are of one distributed run.",
            hint="Report it by itself.",
        )


def _require_one_run(path: Path, evidence: Evidence, before: Path, other: Evidence) -> None:
    launches = {one.who.launch for part in (evidence, other) for one in part.ranks.all if one.who.launch}
    if len(launches) > 1:
        raise CaptureError(
            f"{before} and {path} are of different launches: {', '.join(sorted(launches))}.",
            hint="Report each by itself, or give captures of the machines of one launch.",
        )
    twice = {one.number for one in evidence.ranks.all} & {one.number for one in other.ranks.all}
    if twice:
        raise CaptureError(
            f"{before} and {path} both have rank {ranges(twice)}, so they are not two machines of one run.",
            hint="Give each machine's capture once.",
        )
