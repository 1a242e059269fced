"""Markdown tables, and their places in benchmarks/README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def save(name: str, document: Any) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(anonymous(json.dumps(document, indent=1, sort_keys=True)) + "\n")


def anonymous(text: str) -> str:
    """Removes the folders of this machine: results are committed, so they may name only files of the checkout and packages."""
    text = text.replace(f"{RESULTS.parent.parent}/", "")
    return re.sub(r"/[^\s\"':]*?/(?:site-packages|lib/python3\.\d+)/", "", text)


def load(name: str) -> Any:
    return load_file(RESULTS / f"{name}.json")


def load_file(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else {}


def publish(name: str, content: str, write: bool) -> None:
    """Prints a table, and with `write` puts it between its markers in the README."""
    print(content, flush=True)
    if not write:
        return
    readme = HERE / "README.md"
    text = readme.read_text()
    start, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
    if start not in text or end not in text:
        raise SystemExit(f"{readme} has no place for the table {name}. Add the lines {start} and {end}.")
    before, rest = text.split(start, 1)
    readme.write_text(f"{before}{start}\n{content}\n{rest[rest.index(end) :]}")
