"""Merge the graph break registries of many torch versions into one JSON file, without importing torch.

Usage: python tools/graph_break_registry.py VENV_OR_SITE_PACKAGES ... > compile_doctor/data/graph_breaks.json

Every torch since 2.8 ships `torch/_dynamo/graph_break_registry.json`, which maps an id such as GB0170 to a list of
entries, the newest wording first. Ids keep their meaning, but a name may change, and one id (GB0060) disappears.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

REGISTRY = Path("torch/_dynamo/graph_break_registry.json")
VERSION_LINE = re.compile(r"^__version__\s*(?::\s*str\s*)?=\s*['\"]([^'\"+]+)", re.MULTILINE)

# The upstream file is extracted from torch's sources. If a text is computed, the file has the name of a variable, the
# source of an expression or nothing instead: an older wording, or none, is better.
PLACEHOLDER = re.compile(r"\A(?:|_*[A-Za-z]+(?:_\w+)*|\w+\([\w.]*\)|\w+(?:\s*\+)+\s*(?:\w+|\".*\"))\Z")
# A string literal that still has its quotes and continuation: `"first half "      "second half" + trace_info`.
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Registry(NamedTuple):
    """The registry that one installed torch ships."""

    version: str
    entries: Mapping[str, Sequence[Mapping[str, Any]]]


def site_packages(path: Path) -> Path:
    """The folder with torch below `path` (a venv, or site-packages itself). Raises SystemExit if there is none."""
    for candidate in (path, *sorted(path.glob("lib/python*/site-packages")), path / "Lib" / "site-packages"):
        if (candidate / REGISTRY).is_file():
            return candidate
    raise SystemExit(f"{path}: {REGISTRY} is missing. Name a venv or site-packages with torch 2.8 or later.")


def read(path: Path) -> Registry:
    site = site_packages(path)
    match = VERSION_LINE.search((site / "torch" / "version.py").read_text(encoding="utf-8"))
    if match is None:
        raise SystemExit(f"{site}: torch/version.py has no __version__")
    return Registry(match[1], json.loads((site / REGISTRY).read_text(encoding="utf-8")))


def version_key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def clean(text: str) -> str:
    """`text` as prose; empty if upstream recorded only the name of a variable."""
    text = text.strip()
    if text.startswith(('"', 'f"')) and text.count('"') > 1:
        text = "".join(LITERAL.findall(text))
    return "" if PLACEHOLDER.match(text) else " ".join(text.split())


def first_real(texts: Iterable[str]) -> str:
    return next(filter(None, map(clean, texts)), "")


def name(gb_id: str, registry: Registry, seen: Sequence[Registry]) -> str:
    """This torch's name for the break. 2.8 has `_gb_type`, a variable's name, for GB0170: then a later torch's name."""
    candidates = [registry, *seen]
    texts = [str(candidate.entries[gb_id][0]["Gb_type"]) for candidate in candidates]
    return next((text for text in texts if text != "_gb_type"), gb_id)


def hints(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The hints of the newest wording that has any: upstream loses hints that become computed."""
    for entry in entries:
        if texts := [text for text in map(clean, entry["Hints"]) if text]:
            return texts
    return []


def merge(registries: Iterable[Registry]) -> dict[str, dict[str, Any]]:
    """One record per id, with the text of the newest torch that has the id."""
    ordered = sorted(registries, key=lambda registry: version_key(registry.version))
    newest = ordered[-1].version
    merged: dict[str, dict[str, Any]] = {}
    for gb_id in sorted({gb_id for registry in ordered for gb_id in registry.entries}):
        seen = [registry for registry in ordered if gb_id in registry.entries]
        names: dict[str, list[str]] = {}
        for registry in seen:
            names.setdefault(name(gb_id, registry, seen), []).append(registry.version)
        history = seen[-1].entries[gb_id]
        merged[gb_id] = {
            "names": names,
            "context": first_real(entry["Context"] for entry in history),
            "explanation": first_real(entry["Explanation"] for entry in history),
            "hints": hints(history),
            "torch": {"first": seen[0].version, "last": seen[-1].version, "gone": seen[-1].version != newest},
        }
    return merged


def dumps(torch_versions: Sequence[str], merged: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON with one line per id, so that the diff for a new torch is readable."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in merged.items())
    versions = json.dumps(sorted(torch_versions, key=version_key))
    return f'{{\n"torch": {versions},\n"graph_breaks": {{\n' + ",\n".join(lines) + "\n}\n}\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Merge torch's graph break registries into one JSON on stdout.")
    parser.add_argument("path", nargs="+", type=Path, help="a virtual environment, or its site-packages")
    arguments = parser.parse_args(argv)
    registries = {registry.version: registry for registry in map(read, arguments.path)}
    sys.stdout.write(dumps(list(registries), merge(registries.values())))


if __name__ == "__main__":
    main()
