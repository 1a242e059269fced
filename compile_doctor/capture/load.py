"""Reads a capture, or what is left of it. The evidence names everything that is damaged; nothing becomes a default."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from compile_doctor.capture import older, seal
from compile_doctor.capture.members import SEAL, Members
from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.runs import BROKEN, LARGEST, read_run, traces_of
from compile_doctor.capture.schema import CAPTURE, Manifest
from compile_doctor.capture.sources import read_sources
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Evidence, Rung


def load_capture(path: Path) -> Evidence:
    """Reads a folder or a .zip. Raises CaptureError if there is nothing that can be read."""
    if not path.exists():
        raise CaptureError(
            f"{path} does not exist.", hint="Make a capture with  compile-doctor diagnose TARGET --capture DIR"
        )
    try:
        return _load(Members(path))
    except zipfile.BadZipFile as error:
        raise CaptureError(
            f"{path} is neither a directory nor a readable .zip: {error}.",
            hint="If it is a copy, check that it is complete.",
        ) from error
    except BROKEN as error:
        raise CaptureError(
            f"{path} is damaged: {error}.", hint="Check that the copy is complete and not encrypted."
        ) from error
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror or error}.") from error


class _Version:
    """The version of a capture's schema."""

    def __init__(self, content: bytes | None, path: Path) -> None:
        """Raises CaptureError for a newer version. If capture.json cannot be read, the current version is assumed."""
        self.number = older.NOW
        if content is not None:
            with suppress(BadRecordError):  # reading the manifest reports the error
                self.number = older.version(str(decode(content, dict[str, Any]).get("schema", "")), path)

    @property
    def old(self) -> bool:
        return self.number < older.NOW


def _load(members: Members, sealed_above: bool = False) -> Evidence:
    content = members.read("capture.json", LARGEST) if "capture.json" in members.names else None
    written = any(name == SEAL or name.startswith(("process-", "rung-", "start-")) for name in members.names)
    if content is None and not written:
        return _bare_trace(members)
    version = _Version(content, members.path)
    problems: list[str] = []
    manifest = Manifest(CAPTURE, Asked("a damaged capture"))
    if content is not None:
        try:
            manifest = decode(older.manifest(content) if version.old else content, Manifest)
        except (BadRecordError, ValueError, AttributeError, TypeError) as error:
            problems.append(f"capture.json cannot be read: {error}")
    if manifest.rungs:
        evidence = _rungs(members, manifest)
    elif manifest.starts:
        evidence = started(load_starts(members, manifest), manifest.asked)
    else:
        evidence = read_run(members, manifest.asked, manifest.children, version.old)
    if version.old and not sealed_above:
        problems.append(older.unsealed(manifest.asked.doctor))
    elif not sealed_above:
        problems += seal.damage(members)
    return replace(evidence, damage=(*problems, *evidence.damage))


def _bare_trace(members: Members) -> Evidence:
    """Only files of TORCH_TRACE, without a probe; the sources are read from where they were, if they still exist."""
    if not traces_of(members):
        raise CaptureError(
            f"{members.path} contains neither a capture nor a trace of torch.",
            hint="A capture has a capture.json, a trace has files from TORCH_TRACE.",
        )
    members.sealed = False
    evidence = read_run(members, Asked("trace"), (), False)
    return replace(evidence, sources=read_sources(evidence, [str(Path.cwd())]), unended=())


def _rungs(members: Members, manifest: Manifest) -> Evidence:
    """The evidence of the largest size that was run, with all sizes in `rungs`. Raises CaptureError if none was."""
    rungs = []
    for listed in manifest.rungs:
        inside = None
        if listed.directory and any(name.startswith(listed.directory + "/") for name in members.names):
            inside = _load(members.below(listed.directory), True)
        rungs.append(Rung(listed.tokens, inside, listed.reason or "", listed.predicted))
    missing = [
        f"{one.directory}/ is missing"
        for one, rung in zip(manifest.rungs, rungs)
        if one.directory and rung.evidence is None
    ]
    found = merged(manifest.asked, rungs)
    if found is None:
        raise CaptureError(
            f"{members.path} has no size that was run.", hint="If it is a copy, check that it is complete."
        )
    return replace(found, damage=(*missing, *found.damage))


def load_starts(members: Members, manifest: Manifest) -> dict[str, Evidence]:
    """The evidence of the first start of each kind of `coldstart`, by name."""
    found = {}
    for one in manifest.starts:
        if one.number == 1 and any(name.startswith(one.directory + "/") for name in members.names):
            found[one.name] = _load(members.below(one.directory), True)
    return found


def started(starts: Mapping[str, Evidence], asked: Asked) -> Evidence:
    """The evidence of the warm start, with that of the cold one; of the cold one alone if there is no warm one."""
    cold, warm = starts.get("cold"), starts.get("warm")
    if cold is None:
        raise CaptureError("The capture has no cold start.", hint="If it is a copy, check that it is complete.")
    if warm is None:
        return replace(cold, asked=asked, lost=(*cold.lost, "the warm start is missing"))
    return replace(warm, asked=asked, earlier=cold, damage=(*cold.damage, *warm.damage))


def merged(asked: Asked, rungs: list[Rung]) -> Evidence | None:
    """The evidence of the largest size that ran, with the eager control of the smallest; None if none ran."""
    ran = [rung for rung in rungs if rung.evidence is not None]
    if not ran or ran[0].evidence is None or ran[-1].evidence is None:
        return None
    first, last = ran[0].evidence, ran[-1].evidence
    damage = tuple(f"{rung.tokens:,} tokens: {text}" for rung in ran if rung.evidence for text in rung.evidence.damage)
    lost = tuple(f"{rung.tokens:,} tokens: {text}" for rung in ran if rung.evidence for text in rung.evidence.lost)
    unended = tuple(text for rung in ran if rung.evidence for text in rung.evidence.unended)
    whole = replace(last, asked=asked, rungs=tuple(rungs), damage=damage, lost=lost, unended=unended)
    if first is last:
        return whole
    # The eager control is always dense, so it runs only at the smallest size.
    return replace(
        whole,
        facts=replace(
            last.facts,
            compared_at=ran[0].tokens,
            not_compared=first.facts.not_compared,
            unlike=first.facts.unlike,
            largest_output=first.facts.largest_output,
            random=first.facts.random,
        ),
        phases={**first.phases, **last.phases},
        seconds={**{name: value for name, value in first.seconds.items() if name == "eager"}, **last.seconds},
        failures=(*last.failures, *(failure for failure in first.failures if failure.phase == "eager")),
        max_difference=first.max_difference,
        comparisons=first.comparisons,
    )
