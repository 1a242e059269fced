"""A report reduced to what is deterministic, stored as one small sorted JSON file per target, torch and device.

It has no line numbers, counts of occurrences, times or hashes of a run, so that moved code, a renamed local variable or
a patch release of torch changes nothing. `baseline_files.py` reads and writes the files.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from compile_doctor.errors import InconclusiveError
from compile_doctor.model.findings import Finding
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report

SCHEMA: Final = "compile-doctor/baseline/1"
_ON_A_NAME = re.compile(
    r"(size|stride|rank|dtype|requires_grad|device|type|none|value|length|keys|identity|closure|shape-range|function):"
    r"(?!self\b)[A-Za-z_]\w*"
)
"""The cause of a recompilation if what varies begins with a local name of the function."""
ABOUT_THE_MACHINE = ("machine", "patches")
"""Categories of findings about the environment, not the code. They are shown, but never part of a baseline."""

Count = Annotated[int, Meta(ge=0, le=10**15)]
Positive = Annotated[int, Meta(ge=1, le=10**15)]
Word = Annotated[str, Meta(pattern=r"\S")]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings that the figures depend on: a baseline with others is not comparable. Defaults are left out."""

    tokens: Positive | None = None
    backend: Word | None = None
    mode: Word | None = None
    dynamic: bool | None = None
    grad: bool = False
    as_is: bool = False
    repeat: Positive | None = None
    patches: Word | None = None
    device: Word | None = None
    """The requested device."""
    numerics: bool = False
    memory_limit: Positive | None = None
    """The sizes that ran may depend on it."""


class Summary(Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of the report's summary that are deterministic."""

    graphs: Count
    ops_captured: Count
    frames_compiled: Count
    frames_skipped: Count
    recompiles: Count


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A finding, reduced to what stays the same when code moves."""

    code: Annotated[str, Meta(pattern=r"^[A-Z]{2,6}[0-9]{3}\Z")]
    upstream: str | None
    owner: Literal["mine", "dependency", "torch"]
    file: str | None
    function: str | None
    cause: str

    def __post_init__(self) -> None:
        """Checks that a location is complete; msgspec adds the entry's number to the error."""
        if (self.file is None) != (self.function is None):
            raise ValueError("Expected both `file` and `function` to be null, or none of them")


class Call(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A call of attention."""

    file: str
    function: str
    api: Word
    number: Positive
    """1, 2, … for the calls of one API in a function, in the order of their lines."""
    verdict: Literal["fused", "unverified", "mixed", "dense"]
    implementation: Word | None = None
    """What computes it; None in a file of an older version, and if it is not known."""


class Baseline(Struct, frozen=True, forbid_unknown_fields=True):
    """The complete file."""

    schema: Literal["compile-doctor/baseline/1"]
    target: Word
    torch: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\Z")]
    device: Word
    settings: Settings
    summary: Summary
    findings: tuple[Entry, ...]
    attention: tuple[Call, ...]


def snapshot(name: str, report: Report) -> Baseline:
    """The baseline of a report."""
    report = relative(report)
    return Baseline(
        SCHEMA,
        name,
        minor(str(report.environment.get("torch", ""))),
        str(report.environment.get("device", "cpu")),
        _settings(report),
        Summary(**{key: report.summary[key] for key in Summary.__struct_fields__}),
        tuple(sorted((identity(one) for one in report.findings if _is_kept(one)), key=sorted_by)),
        _attention(report),
    )


def _is_kept(finding: Finding) -> bool:
    return finding.facts.category not in ABOUT_THE_MACHINE


def identity(finding: Finding) -> Entry:
    """Code, upstream id, owner, file, qualified name and normalised cause: a renamed argument does not change it."""
    place = finding.location
    return Entry(
        finding.code,
        None if finding.baseline_cause else finding.upstream,
        finding.owner,  # type: ignore[arg-type]  # checked before it is written
        # The folder of a package depends on the machine; the file within it does not.
        _portable(place.file) if place else None,
        place.function if place else None,
        finding.baseline_cause or _ON_A_NAME.sub(r"\1:*", finding.cause),
    )


def minor(version: str) -> str:
    """`2.13` of `2.13.1+cpu`."""
    match = re.match(r"([0-9]+\.[0-9]+)", version)
    return match[1] if match else "unknown"


def _portable(file: str) -> str:
    inside = re.sub(r"^.*?/(?:site-packages|dist-packages|lib/python3\.\d+)/", "", file.replace("\\", "/"))
    return inside.encode("utf-8", "backslashreplace").decode()  # a name that is not UTF-8 has half characters


def _settings(report: Report) -> Settings:
    given = {name: report.settings.get(name) for name in Settings.__struct_fields__}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def _attention(report: Report) -> tuple[Call, ...]:
    """One entry per call, in the order of lines within a function, without the lines."""
    found: list[Call] = []
    numbers: Counter[tuple[str, str, str]] = Counter()
    for entry in sorted(report.attention, key=lambda one: (one.location.file, one.location.line)):
        key = (_portable(entry.location.file), entry.location.function, entry.api)
        numbers[key] += 1
        found.append(Call(*key, numbers[key], entry.verdict, entry.implementation))  # type: ignore[arg-type]  # checked before it is written
    return tuple(found)


def sorted_by(entry: Entry) -> tuple[str, ...]:
    """The sort key of entries: all fields, as text."""
    return tuple(map(str, msgspec.structs.astuple(entry)))


def text_of(entry: Baseline) -> str:
    """The file's text: sorted, one value per line, so that a change is one line in review."""
    return json.dumps(msgspec.to_builtins(entry), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse(content: bytes) -> Baseline:
    """The baseline in a file's bytes. Raises InconclusiveError, naming the field, if it is not valid."""
    try:
        # Typed first: memory stays small, because invalid values are not built. Then again for duplicate keys.
        entry = msgspec.json.decode(content, type=Baseline)
        json.loads(content, object_pairs_hook=_object)
    except msgspec.ValidationError as error:
        raise InconclusiveError(_other_schema(content) or _in_words(error)) from None
    except RecursionError:
        raise InconclusiveError("it is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise InconclusiveError(f"it is not JSON: {error}") from None
    _check_calls(entry.attention)
    return entry


class _Envelope(Struct):
    schema: str


def _other_schema(content: bytes) -> str:
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        found = msgspec.json.decode(content, type=_Envelope).schema
        return f"its schema is {found[:80]!r}, but this version reads {SCHEMA}" if found != SCHEMA else ""
    return ""


def _in_words(error: msgspec.ValidationError) -> str:
    what, _, where = str(error).partition(" - at `$")
    return f"{where.strip('.`')}: {what}" if where else what


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One JSON object. Raises InconclusiveError for a duplicate key (as after a merge), which would hide a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise InconclusiveError(f"the key {twice[:80]!r} occurs twice in one object")
    return found


def _check_calls(calls: Iterable[Call]) -> None:
    numbers: dict[tuple[str, str, str], list[int]] = {}
    for call in calls:
        numbers.setdefault((call.file, call.function, call.api), []).append(call.number)
    for (file, function, api), found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            listed = ", ".join(map(str, sorted(found)))
            raise InconclusiveError(
                f"attention: the calls of {api} in {function} ({file}) are numbered {listed}, not from 1 upwards"
            )


def foreign(known: Baseline, found: Baseline) -> str:
    """How target, torch or device of the first baseline differ from the second one's; empty if they do not."""
    keys = [key for key in ("target", "torch", "device") if getattr(known, key) != getattr(found, key)]
    return ", ".join(f"{key} {getattr(known, key)!r}, not {getattr(found, key)!r}" for key in keys)


def differing(known: Settings, found: Settings) -> str:
    """`as_is = True, now not given; tokens = 1024, now 4096`."""
    before, after = msgspec.to_builtins(known), msgspec.to_builtins(found)
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return "; ".join(f"{key} = {before.get(key, 'not given')}, now {after.get(key, 'not given')}" for key in keys)


One = TypeVar("One")


def differences(old: Sequence[One], new: Sequence[One]) -> tuple[list[One], list[One]]:
    """(gone, new) of two lists of entries; an entry that occurs twice counts twice."""
    _, gone, added = paired(old, new, lambda one: one)
    return gone, added


def paired(
    old: Sequence[One], new: Sequence[One], key: Callable[[One], Any]
) -> tuple[list[tuple[One, One]], list[One], list[One]]:
    """(pairs, remaining old ones, remaining new ones): pairs each new entry with the first old one of the same key."""
    waiting: dict[Any, deque[int]] = defaultdict(deque)
    for number, one in enumerate(old):
        waiting[key(one)].append(number)
    pairs, left, taken = [], [], set()
    for one in new:
        same = waiting.get(key(one))
        if same:
            taken.add(same[0])
            pairs.append((old[same.popleft()], one))
        else:
            left.append(one)
    return pairs, [one for number, one in enumerate(old) if number not in taken], left


def without(field: str) -> Callable[[Entry], tuple[Any, ...]]:
    """A key for `paired`: all fields of an entry except one."""
    return attrgetter(*(name for name in Entry.__struct_fields__ if name != field))
