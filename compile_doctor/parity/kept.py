"""Keeps the cells of a run of the suite in a file, each as soon as it is computed, so that `--resume` can go on with them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

import compile_doctor
from compile_doctor.parity.result import STATUSES, Cell
from compile_doctor.processes.cache_place import cache_place

_NAMES = frozenset(one.name for one in fields(Cell))


def place_of(settings: Mapping[str, Any], source: Path | None) -> Path | None:
    """The file for these settings, this Python and this version; None without a home directory. `source`: the target's."""
    root = cache_place()
    if root is None:
        return None
    text = source.read_text(encoding="utf-8", errors="replace") if source else ""
    about = [compile_doctor.__version__, sys.executable, os.getcwd(), settings, text]
    return root / "parity" / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]}.jsonl"


class Kept:
    """One line with the environment, then one for each cell. What cannot be written is not kept; the run goes on."""

    def __init__(self, path: Path | None, resume: bool) -> None:
        self._path, self._resume = path, resume
        self._file: IO[str] | None = None

    def begin(self, environment: Mapping[str, Any]) -> list[tuple[Cell, list[str]]]:
        """The cells of the last run in this environment, with their recipes, if they are asked for; else a new file."""
        if self._path is None:
            return []
        found = self._read(environment) if self._resume else []
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8")
            self._write({"environment": dict(environment)})
            for cell, recipes in found:
                self.add(cell, recipes)
        return found

    def add(self, cell: Cell, recipes: list[str]) -> None:
        self._write({"cell": asdict(cell), "recipes": recipes})

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.write(json.dumps(record) + "\n")
                self._file.flush()  # a killed run keeps what it has

    def _read(self, environment: Mapping[str, Any]) -> list[tuple[Cell, list[str]]]:
        """Until the first line that is not complete: a killed run may have left one."""
        assert self._path is not None
        found: list[tuple[Cell, list[str]]] = []
        with suppress(OSError, ValueError, KeyError, TypeError):
            first, *lines = self._path.read_text(encoding="utf-8").splitlines()
            if json.loads(first)["environment"] != dict(environment):
                return []
            for line in lines:
                record = json.loads(line)
                cell = record["cell"]
                if set(cell) != _NAMES or cell["status"] not in STATUSES:
                    break
                found.append((Cell(**cell), list(record["recipes"])))
        return found
