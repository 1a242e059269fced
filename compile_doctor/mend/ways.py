"""The ways to rewrite the findings of a state away: one, or several that are tried at once."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst

from compile_doctor.mend.copies import Copies, in_package
from compile_doctor.mend.rewrites import Rewrite, fitting
from compile_doctor.mend.site import Candidate, Site, parsed
from compile_doctor.mend.state import State, identity
from compile_doctor.model.findings import Finding, Location


@dataclass(frozen=True)
class Way:
    """One way to rewrite a finding away."""

    finding: Finding
    rewrite: Rewrite
    candidate: Candidate
    texts: Mapping[str, str]
    """The texts of all changed files, earlier changes among them."""
    compiling: Mapping[str, Any]
    """The same for the options of torch.compile."""

    @property
    def what(self) -> tuple[str, ...]:
        """The way, whatever else has changed in the meantime."""
        return (*identity(self.finding), self.rewrite.name, self.candidate.title)


@dataclass(frozen=True)
class Change:
    """Ways that are tried at once, each in the text that the ones before it left."""

    ways: tuple[Way, ...]

    @property
    def texts(self) -> Mapping[str, str]:
        return self.ways[-1].texts

    @property
    def compiling(self) -> Mapping[str, Any]:
        return self.ways[-1].compiling

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(name for way in self.ways for name in way.candidate.made)

    @cached_property
    def key(self) -> str:
        """Names the files and options that it leads to."""
        text = json.dumps([dict(self.texts), dict(self.compiling)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Ways:
    """Finds them."""

    def __init__(
        self,
        copies: Copies,
        only: tuple[str, ...],
        packages: bool,
        notes: dict[str, None],
        compiling: Mapping[str, Any] | None = None,
    ) -> None:
        """`only`: names of rewrites; empty: all. `packages`: whether files of installed packages may be changed.

        `notes` gets what could not be read or proposed. `compiling`: the options of torch.compile that were asked for.
        """
        self.copies = copies
        self.only = only
        self.packages = packages
        self.notes = notes
        self.compiling = compiling or {}

    def of(self, state: State, finding: Finding) -> Iterator[Way]:
        """The ways for a finding, the best first. Each is made when it is asked for: a large file takes seconds."""
        place = finding.location
        if place is None:
            return
        may_change = self._may_change(place.file)
        try:
            site = self._site(state, finding, place)
        except libcst.ParserSyntaxError as error:
            self.notes[f"{place.file} cannot be rewritten: LibCST cannot read line {error.raw_line}"] = None
            return
        own = place.file if may_change and not in_package(place.file) else str(self.copies.target.path or place.file)
        for rewrite in chosen(finding, self.only):
            for candidate in self._proposed(rewrite, site):
                texts = dict(state.texts)
                if candidate.text is not None:
                    texts[place.file] = candidate.text
                texts |= candidate.others
                if candidate.settings and self._may_change(own):
                    texts[own] = parsed(texts.get(own, self.copies.originals[own])).edited({}, candidate.settings)
                changes = [file for file, new in texts.items() if new != state.texts.get(file)]
                if (candidate.compiling or changes) and (candidate.text is None or may_change):
                    yield Way(finding, rewrite, candidate, texts, {**state.compiling, **candidate.compiling})

    def together(self, state: State, ways: Sequence[Way]) -> Change:
        """The first way, and those of the others that still fit the text in which the ones before them are done."""
        done = [ways[0]]
        for way in ways[1:]:
            now = replace(state, texts=done[-1].texts, compiling=done[-1].compiling)
            moved = self._moved(state, now, way.finding)
            again = next((one for one in self.of(now, moved) if one.what == way.what), None) if moved else None
            done += [replace(again, finding=way.finding)] if again else []
        return Change(tuple(done))

    def _site(self, state: State, finding: Finding, place: Location) -> Site:
        """Raises libcst.ParserSyntaxError for a file that LibCST cannot read."""
        own = (file for file in self.copies.originals if file != place.file and not in_package(file))
        others = {file: self._text(state, file) for file in own}
        compiling = {**self.compiling, **state.compiling}
        return Site(parsed(self._text(state, place.file)), finding, place.line, others, state.findings, compiling)

    def _moved(self, old: State, new: State, finding: Finding) -> Finding | None:
        """The finding where its line is now; None if the line has been changed."""
        place = finding.location
        if place is None:
            return None
        before, after = (self._text(state, place.file) for state in (old, new))
        if before == after:
            return finding
        line = _same_line(before, after, place.line)
        at = _same_line(before, after, finding.breaks_at) if finding.breaks_at else None
        return replace(finding, location=replace(place, line=line), breaks_at=at) if line else None

    def _may_change(self, file: str) -> bool:
        return (self.packages or not in_package(file)) and self.copies.add(file)

    def _proposed(self, rewrite: Rewrite, site: Site) -> list[Candidate]:
        """Its candidates. A mistake of a rewrite costs that rewrite, and not what the others have found."""
        found: list[Candidate] = []
        try:
            for one in rewrite.propose(site):
                for text in filter(None, [one.text, *one.others.values()]):
                    ast.parse(text)
                found.append(one)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            self.notes[f"the rewrite {rewrite.name} failed at {site.finding.code} in line {site.line} ({what})"] = None
        return found

    def _text(self, state: State, file: str) -> str:
        """The text of a file; one that is gone, because the target wrote it for one run, as the diagnosis read it."""
        if file in state.texts or file in self.copies.originals:
            return state.texts.get(file) or self.copies.originals[file]
        try:
            return Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return state.report.sources.get(file) or ""


def chosen(finding: Finding, only: tuple[str, ...]) -> list[Rewrite]:
    """The rewrites for a finding's cause: those with these names, or all."""
    return [one for one in fitting(finding.cause) if not only or one.name in only]


def _same_line(before: str, after: str, line: int) -> int | None:
    """The number of an unchanged line in the new text."""
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for block in matcher.get_matching_blocks():
        if block.a < line <= block.a + block.size:
            return line - block.a + block.b
    return None
