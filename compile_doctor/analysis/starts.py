"""Compares two starts of the same target with the same cache on disk: what the second had to compile again, and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePath

from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import function_name
from compile_doctor.model.timeline import CacheAnswer, KeyPart
from compile_doctor.source import locations


@dataclass(frozen=True)
class ChangedPart:
    """A part of a cache's key that differs between two starts; None if only one of them has it."""

    name: str
    before: KeyPart | None
    now: KeyPart | None


@dataclass(frozen=True)
class Asked:
    """What a cache answered for one graph in the second start, beside its answer in the first."""

    compilation: Compilation
    answer: CacheAnswer
    before: CacheAnswer | None
    """None if the first start did not compile this graph."""
    changed: tuple[ChangedPart, ...]


def asked_again(evidence: Evidence) -> Iterator[Asked]:
    """Each answer of the second start, with the one that the first start got for the same graph."""
    if evidence.earlier is None:
        return
    before = _by_graph(evidence.earlier)
    for key, (compilation, answers) in _by_graph(evidence).items():
        first, old_answers = before.get(key, (None, []))
        if first is None or _of_another_class(evidence.earlier, first, evidence, compilation):
            old_answers = []
        for answer, old in zip_longest(answers, old_answers[: len(answers)]):
            yield Asked(compilation, answer, old, changed_parts(old, answer) if old else ())


def _of_another_class(earlier: Evidence, first: Compilation, evidence: Evidence, now: Compilation) -> bool:
    """Whether the sources of both show that this is the `forward` of two classes; if one is not known, it is taken for the same."""
    plain = function_name(now.function)
    names = {
        locations.qualified(of.sources, one.file, one.line, plain) for of, one in ((earlier, first), (evidence, now))
    }
    return len(names) == 2 and plain not in names


def uncached(evidence: Evidence) -> Iterator[Compilation]:
    """Compilations with generated code for which no cache was asked: the caches are off."""
    return (one for one in evidence.compilations if one.kernels is not None and not one.answers)


def _by_graph(evidence: Evidence) -> dict[tuple[str, str, str, str], tuple[Compilation, list[CacheAnswer]]]:
    """The answers by compile id, function and cache, in the order in which they were given."""
    found: dict[tuple[str, str, str, str], tuple[Compilation, list[CacheAnswer]]] = {}
    for one in evidence.compilations:
        by_cache: dict[str, list[CacheAnswer]] = defaultdict(list)
        for answer in one.answers:
            by_cache[answer.cache].append(answer)
        for cache, answers in by_cache.items():
            # Without the line and the folder: between two runs lines move, and another machine has another folder.
            key = (one.label, PurePath(one.file).name, function_name(one.function), cache)
            found.setdefault(key, (one, []))[1].extend(answers)
    return found


def changed_parts(before: CacheAnswer, now: CacheAnswer) -> tuple[ChangedPart, ...]:
    """The parts of the key whose hash differs; empty if torch did not write them."""
    old, new = ({part.name: part for part in one.parts} for one in (before, now))
    names = [name for name in {**old, **new} if _hash(old.get(name)) != _hash(new.get(name))]
    return tuple(ChangedPart(name, old.get(name), new.get(name)) for name in names) if old and new else ()


def _hash(part: KeyPart | None) -> str | None:
    return part.hash if part else None


def place(evidence: Evidence, one: Compilation) -> tuple[str, int, str]:
    """File, line and function that was compiled; for one of torch's own (nn.Sequential) the user's first line in its graph."""
    root = evidence.environment.get("torch_root")
    if locations.owner(one.file, root) == "torch" and one.traced:
        for each in one.traced.operators:
            if each.line and locations.owner(each.file, root) == "mine":
                return each.file, each.line, locations.enclosing(evidence.sources, each.file, each.line)
    function = function_name(one.function)
    return one.file, one.line, locations.qualified(evidence.sources, one.file, one.line, function)


def differences(evidence: Evidence) -> Iterator[str]:
    """What differs between two runs and may be what changed a key: options, variables, torch, Python, threads, the processor."""
    if evidence.earlier is None:
        return
    for what, old, new in (
        ("option", vars(evidence.earlier.asked.settings), vars(evidence.asked.settings)),
        ("", evidence.earlier.environment, evidence.environment),
    ):
        for name in sorted({*old, *new} - _NOT_TOLD):
            before, now = old.get(name), new.get(name)
            if before != now:
                word = f"{what} {name}" if what else _variable(name)
                yield f"{word}: {_value(before)} in the earlier run, {_value(now)} in this one"


_NOT_TOLD = {"torch_root", "timeout", "memory_limit", "repeat", "require_fused", "require_cudagraphs"}


def _variable(name: str) -> str:
    return f"environment variable {name}" if name.isupper() else name


def _value(value: object) -> str:
    return "not set" if value is None else str(value)[:120]


def writers(evidence: Evidence, setting: str) -> Iterator[str]:
    """The lines of the program that write this setting of torch, or give it as an option, in its own words."""
    word = re.compile(rf"\b{re.escape(setting.rpartition('.')[2])}\b[\"']?\s*[=:\],]")
    for file, text in sorted(evidence.sources.items()):
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) < 500 and word.search(line):
                yield f"{file}:{number} has  {line.strip()[:120]}"
