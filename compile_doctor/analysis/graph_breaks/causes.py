"""Finds why the graph broke and what to write instead, from the text of torch's reason, without torch.

The knowledge is in two data files: `causes.yaml`, written by hand, and `graph_breaks.json`, merged from the registries
of many torch versions by tools/graph_break_registry.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

_SETTING = re.compile(r"(?:^#[^\n]*:\n)?(?:^torch\._\w+\.config\.[^\n]*(?:\n|\Z))+", re.MULTILINE)
"""Lines that change a setting of torch, with the comment above them that says when."""
UPSTREAM_PAGE = "https://meta-pytorch.github.io/compile-graph-break-site/gb/{}.html"


@dataclass(frozen=True)
class Advice:
    """A fix for one way in which the breaking line is written. The first that fits takes the place of the cause's."""

    reads: tuple[str, ...]
    """Kinds of expression to look for in the line, as in source/breaking_line.py; empty if the reason decides alone."""
    uses: tuple[str, ...]
    """What the value may be used for; empty for anything."""
    needs: tuple[str, ...]
    """Words that the line must give, besides those in the fix."""
    reason: re.Pattern[str] | None
    why: str
    """Instead of the cause's; empty to keep that."""
    fix: str
    """Its `{words}` come from the line. If the line does not give one of them, the advice does not fit."""


@dataclass(frozen=True)
class Cause:
    """One reason for graph breaks. `key` is its name in baselines and never changes."""

    key: str
    title: str
    why: str
    fix: str
    before: str | None
    after: str | None
    deliberate: bool
    data_dependent_branch: bool
    makes_object: bool
    """Whether what the line makes cannot be in a graph either: lines that go on with it break because of this one."""
    gb_ids: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    advice: tuple[Advice, ...] = ()
    outside: str = ""
    """The fix if the line is in a package, which a user does not edit."""
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By what the line reads, the cause that it really has: torch's reason is the same for several."""
    words: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the pattern found in the reason."""

    @property
    def inside(self) -> str:
        """The fix for those who can change the package: without settings, which are in `outside`."""
        return _SETTING.sub("", self.fix).rstrip() if self.outside else self.fix


@dataclass(frozen=True)
class RegistryEntry:
    """What torch's registry has about one graph break id."""

    gb_id: str
    names: Mapping[str, tuple[str, ...]]
    """Each name that the id has had, with the torch versions that used it, oldest first."""
    context: str
    explanation: str
    hints: tuple[str, ...]
    first: str
    last: str
    gone: bool
    """Whether the newest torch in the map no longer has it."""

    @property
    def name(self) -> str:
        """The newest of its names."""
        return list(self.names)[-1]


@lru_cache(maxsize=1024)
def find_cause(reason: str, gb_id: str | None) -> Cause:
    """The cause of a break. If no known cause matches, one made from the reason, with torch's own hints as its fix."""
    text = root_reason(reason)
    # An id in the first part is the root cause's. The caller's may stem from a break that followed from it.
    found = _id_in(text) or gb_id or _id_by_name(text)
    evidence = evidence_of(text)
    for rule in _rules():
        match = next(filter(None, (pattern.search(evidence) for pattern in rule.cause.patterns)), None)
        if match or found in rule.cause.gb_ids:
            return rule.filled(match.groupdict() if match else {})
    return _other(text, found)


def upstream_id(reason: str) -> str | None:
    """torch's id of a reason, from the page that it names, or from its name."""
    text = root_reason(reason)
    return _id_in(text) or _id_by_name(text)


def causes() -> tuple[Cause, ...]:
    """All causes in causes.yaml, in the order in which they are tried."""
    return tuple(rule.filled({}) for rule in _rules())


@cache
def _object_makers() -> frozenset[str]:
    return frozenset(rule.cause.key for rule in _rules() if rule.cause.makes_object)


def makes_objects(key: str) -> bool:
    """Whether what a line with this cause makes cannot be in a graph either."""
    return key in _object_makers()


@cache
def registry() -> dict[str, RegistryEntry]:
    """Torch's graph break ids, from every version that was merged."""
    data = json.loads(_data("graph_breaks.json"))
    return {
        gb_id: RegistryEntry(
            gb_id=gb_id,
            names={name: tuple(versions) for name, versions in entry["names"].items()},
            context=entry["context"],
            explanation=entry["explanation"],
            hints=tuple(entry["hints"]),
            first=entry["torch"]["first"],
            last=entry["torch"]["last"],
            gone=entry["torch"]["gone"],
        )
        for gb_id, entry in data["graph_breaks"].items()
    }


def explain_upstream(gb_id: str) -> str:
    """The page of a graph break id. Raises KeyError for an id that no torch in the map has."""
    entry = registry()[gb_id.upper()]
    if entry.gone:
        seen = f"torch {entry.first} to {entry.last}; newer torch does not have it"
    else:
        seen = f"torch {entry.first} and later"
    parts = [f"{entry.gb_id}: {entry.name}", f"Seen in: {seen}"]
    if len(entry.names) > 1:
        old = (f"  {name} ({versions[0]} to {versions[-1]})" for name, versions in entry.names.items())
        parts.append("\n".join(["Names over time:", *old]))
    if entry.explanation:
        parts.append(f"Torch's explanation: {entry.explanation}")
    known = [cause for cause in causes() if entry.gb_id in cause.gb_ids]
    # Ids such as GB0007 have many causes; the one that names the id is the general one.
    parts += [f"Why: {cause.why}\n\nFix ({cause.key}):\n\n{_indent(cause.fix)}" for cause in known]
    if entry.hints:
        parts.append("\n".join(["Torch's hints:", *(f"  - {hint}" for hint in entry.hints)]))
    parts.append(UPSTREAM_PAGE.format(entry.gb_id.lower()))
    return "\n\n".join(parts)


# What comes before the reason itself, such as "Encountered graph break when attempting to trace CALL: ...:".
_PREFIX = re.compile(r"\A(?:Encountered graph break|Failed to handle graph break)[^\n]*:\s*\n\s*")
# What comes after it, from the trace, from an exception, or from a break that this one caused.
_SUFFIX = re.compile(
    r"\n[^\S\n]*(?:\*\*\* While handling this graph break|from user code:|User code traceback:|Stack variable source attribution"
    r"|Set TORCHDYNAMO_VERBOSE|The above exception was the direct cause|Traceback \(most recent call last\))"
)


def root_reason(reason: str) -> str:
    """The part of a reason that names the root cause: no preamble, no stacks, no breaks that followed from it."""
    text = reason.split("Graph Break Reason: ", 1)[-1].strip()
    # An exception's text begins with its type. The reader of the log has removed prefixes such as `[0/1]`.
    text = re.sub(r"\A(?:torch\.\S+\.)?(?:Unsupported|UserError|UncapturedHigherOrderOpError): ", "", text)
    text = _PREFIX.sub("", text)
    end = _SUFFIX.search(text)
    return (text[: end.start()] if end else text).strip()


# Torch's advice and the user's own source lines name functions that have nothing to do with the cause: "(e.g. `print`)".
_DISTRACTION = re.compile(r"^[^\S\n]*Hint: .*(?:\n {4}.*)*|^[^\S\n]*# File .*|\(e\.g\. [^)\n]{0,500}\)", re.MULTILINE)


def evidence_of(text: str) -> str:
    """What of a reason names the cause."""
    return _DISTRACTION.sub("", text)


@dataclass(frozen=True)
class _Rule:
    cause: Cause
    unknown: Mapping[str, str]

    def filled(self, groups: Mapping[str, str | None]) -> Cause:
        """The cause with each `{name}` replaced by what the pattern found."""
        words = {**self.unknown, **{name: word for name, word in groups.items() if word}}
        if not words:
            return self.cause
        cause = self.cause
        return replace(
            cause, title=fill(cause.title, words), why=fill(cause.why, words), fix=fill(cause.fix, words), words=words
        )


def fill(text: str, words: Mapping[str, str]) -> str:
    """`text` with its `{words}`. Not str.format: a fix is code, and may have braces."""
    return re.sub(r"\{([\w-]+)\}", lambda found: words.get(found[1], found[0]), text)


@cache
def _rules() -> tuple[_Rule, ...]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(map(_rule, yaml.load(_data("causes.yaml"), Loader=loader)))


def _rule(entry: Mapping[str, Any]) -> _Rule:
    ids = tuple(item for item in entry["match"] if re.fullmatch(r"GB\d{4}", item))
    cause = Cause(
        key=entry["key"],
        title=entry["title"],
        why=entry["why"].strip(),
        fix=entry["fix"].rstrip(),
        before=entry.get("before"),
        after=entry.get("after"),
        deliberate=entry.get("deliberate", False),
        data_dependent_branch=entry.get("data_dependent_branch", False),
        makes_object=entry.get("makes_object", False),
        gb_ids=ids,
        patterns=tuple(re.compile(item, re.MULTILINE) for item in entry["match"] if item not in ids),
        advice=tuple(map(_advice, entry.get("advice", ()))),
        outside=entry.get("outside", "").rstrip(),
        elsewhere=entry.get("elsewhere", {}),
    )
    return _Rule(cause, entry.get("unknown", {}))


def _advice(entry: Mapping[str, Any]) -> Advice:
    reason = entry.get("reason")
    return Advice(
        reads=tuple(entry.get("reads", ())),
        uses=tuple(entry.get("uses", ())),
        needs=tuple(entry.get("needs", ())),
        reason=re.compile(reason, re.MULTILINE) if reason else None,
        why=entry.get("why", "").strip(),
        fix=entry["fix"].rstrip(),
    )


def _other(text: str, gb_id: str | None) -> Cause:
    """A cause in torch's own words, for a reason without an entry in causes.yaml."""
    entry = registry().get(gb_id or "")
    # Names change between torch versions and ids do not: the same break has the same key on all of them.
    title = entry.name if entry else normalise(text.split("\n", 1)[0]) or "unknown reason"
    explanation = re.search(r"^[^\S\n]*Explanation: (.+)", text, re.MULTILINE)
    hints = re.findall(r"^[^\S\n]*Hint: (.+)", text, re.MULTILINE) or (list(entry.hints) if entry else [])
    return Cause(
        key=f"other-{_slug(normalise(title))}",
        title=title,
        why=explanation[1].strip() if explanation else (entry.explanation if entry else "") or title,
        fix="\n".join(hints),
        before=None,
        after=None,
        deliberate=False,
        data_dependent_branch=False,
        makes_object=False,
        gb_ids=(gb_id,) if gb_id else (),
        patterns=(),
    )


# What differs between two runs of the same program, in the order in which it has to be removed.
_VOLATILE = (
    re.compile(r"\b0x[0-9a-fA-F]+\b"),
    re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`"),
    re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.+-]+){2,}"),
    re.compile(r"\b[usz]+\d+\b"),
    re.compile(r"-?\b\d+(?:\.\d+)*\b"),
)


def normalise(line: str) -> str:
    """`line` without addresses, quoted values, paths and numbers."""
    for pattern in _VOLATILE:
        line = pattern.sub(" ", line)
    return " ".join(line.split()).strip(" :,.")


def _slug(text: str) -> str:
    return "-".join(re.findall(r"[a-z0-9_]+", text.lower())[:10]) or "unknown"


def _id_in(text: str) -> str | None:
    found = re.search(r"/gb/(gb\d{4})\.html", text)
    return found[1].upper() if found else None


def _id_by_name(text: str) -> str | None:
    """Torch 2.8 prints a registered break's name, but not its id."""
    return _ids_by_name().get(text.split("\n", 1)[0].strip())


@cache
def _ids_by_name() -> dict[str, str]:
    return {name: entry.gb_id for entry in registry().values() for name in entry.names}


def _data(name: str) -> str:
    return (files("compile_doctor") / "data" / name).read_text(encoding="utf-8")


def _indent(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())
