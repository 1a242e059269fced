"""A report reduced to what is deterministic and can be lived with, kept as one small sorted JSON per target, torch and device.

No lines, counts of occurrences, times or hashes of a run: moved code, a renamed local variable or a patch release of torch
changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compile_doctor.errors import UsageError
from compile_doctor.findings import Finding
from compile_doctor.report import Report, relative

SCHEMA = "compile-doctor/baseline/1"
GUARDED = ("graphs", "ops_captured", "frames_compiled", "frames_skipped", "recompiles")
"""Of the report's summary."""
_ON_A_NAME = re.compile(
    r"(size|stride|rank|dtype|requires_grad|device|type|none|value|length|keys|identity|closure|shape-range|function):"
    r"(?!self\b)[A-Za-z_]\w*"
)
"""The cause of a recompilation, where what varies begins with a name that the function gives it."""
ABOUT_THE_MACHINE = ("CD701", "CD702", "CD703", "CD901", "CD902")
"""Findings about the environment, not about the code: shown, and never part of a baseline."""


def snapshot(name: str, report: Report) -> dict[str, Any]:
    """What is written down of a report."""
    report = relative(report)
    return {
        "schema": SCHEMA,
        "target": name,
        "torch": minor(str(report.environment.get("torch", ""))),
        "device": str(report.environment.get("device", "cpu")),
        "settings": _settings(report),
        "summary": {key: report.summary[key] for key in GUARDED},
        "findings": sorted(
            (identity(one) for one in report.findings if one.code not in ABOUT_THE_MACHINE), key=sorted_by
        ),
        "attention": _attention(report),
    }


def identity(finding: Finding) -> dict[str, Any]:
    """Code, upstream id, owner, file, qualified name and normalised cause: an argument may be called what it likes."""
    place = finding.location
    # That a frame is skipped is one finding, whichever of its breaks Dynamo met first; that break has its own.
    skipped = finding.code == "CD104"
    return {
        "code": finding.code,
        "upstream": None if skipped else finding.upstream,
        "owner": finding.owner,
        # Where a package lies is the machine's affair; which file of it is not.
        "file": _portable(place.file) if place else None,
        "function": place.function if place else None,
        "cause": "skipped" if skipped else _ON_A_NAME.sub(r"\1:*", finding.cause),
    }


def minor(version: str) -> str:
    """`2.13` of `2.13.1+cpu`."""
    match = re.match(r"(\d+\.\d+)", version)
    return match[1] if match else "unknown"


def _portable(file: str) -> str:
    return re.sub(r"^.*?/(?:site-packages|dist-packages|lib/python3\.\d+)/", "", file.replace("\\", "/"))


def _settings(report: Report) -> dict[str, Any]:
    """What the figures depend on; a baseline made with other settings is none."""
    names = ("tokens", "backend", "mode", "dynamic", "grad", "as_is", "repeat", "patches")
    return {name: report.settings.get(name) for name in names if report.settings.get(name) not in (None, False)}


def _attention(report: Report) -> list[dict[str, Any]]:
    """One entry per call, in the order of lines within a function, without the lines."""
    found: list[dict[str, Any]] = []
    numbers: Counter[tuple[str, str, str]] = Counter()
    for entry in sorted(report.attention, key=lambda one: (one.location.file, one.location.line)):
        key = (_portable(entry.location.file), entry.location.function, entry.api)
        numbers[key] += 1
        found.append(
            {"file": key[0], "function": key[1], "api": key[2], "number": numbers[key], "verdict": entry.verdict}
        )
    return found


def sorted_by(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in entry.values())


def path_of(folder: Path, name: str, torch: str, device: str) -> Path:
    """`vit.torch-2.13.cpu.json`."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "target"
    return folder / f"{safe}.torch-{minor(torch)}.{device}.json"


def known(folder: Path, name: str, torch: str) -> bool:
    """Whether there is a baseline of the target for this torch, on whatever device."""
    return any(folder.glob(path_of(folder, name, torch, "*").name))


def load(path: Path) -> dict[str, Any] | None:
    """None where there is none. Raises UsageError for a file that is no baseline."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise UsageError(f"{path} is no baseline of this version ({SCHEMA}).", hint="compile-doctor baseline update")
    return found


def text_of(entry: dict[str, Any]) -> str:
    """The file's bytes: sorted, one value per line, so that a change in review is a line."""
    return json.dumps(entry, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(path: Path, entry: dict[str, Any]) -> bool:
    """Whether the file changed. Whole or not at all: another process reads the old one or the new one."""
    text = text_of(entry)
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return True


def stored(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every baseline of a folder, by name."""
    for path in sorted(folder.glob("*.json")):
        found = load(path)
        if found is not None:
            yield path, found


def differing(known: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """`as_is = True, now not given; tokens = 1024, now 4096`."""
    keys = sorted(key for key in {*known, *found} if known.get(key) != found.get(key))
    return "; ".join(f"{key} = {known.get(key, 'not given')}, now {found.get(key, 'not given')}" for key in keys)


def differences(old: Sequence[Any], new: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """(gone, new) of two lists of entries; one that is there twice counts twice."""
    _, gone, added = paired(old, new, key_of)
    return gone, added


def paired(
    old: Sequence[Any], new: Sequence[Any], key: Callable[[Any], Hashable]
) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
    """(pairs, old ones left, new ones left): each new entry with the first old one of the same key."""
    waiting: dict[Hashable, deque[int]] = defaultdict(deque)
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


def key_of(entry: Any, without: str = "") -> Hashable:
    """What an entry is looked up by: all of it, or all but one of its fields."""
    return json.dumps({name: value for name, value in entry.items() if name != without}, sort_keys=True)
