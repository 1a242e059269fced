"""What the targets of a check print: kept apart for each, and shown of those that fail. About the others a gate is quiet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compile_doctor.clean import quoted, say
from compile_doctor.processes.children import Start

OUTPUT = "COMPILE_DOCTOR_OUTPUT"
"""Tells a child of the probe which file its output, and that of whatever it starts, is appended to."""
MOST = 200_000
"""Bytes shown of one target, the last ones: a loop may have printed for an hour."""


class Said:
    """One file for each target, in a folder that whoever made it deletes."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._files = {name: folder / f"{number}.txt" for number, name in enumerate(names)}

    def hearing(self, name: str, start: Start) -> Start:
        """`start`, with the child's output kept under a target's name."""

        def started(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
            return start(mode, command, {**environment, OUTPUT: str(self._files[name])}, timeout)

        return started

    def show(self, name: str) -> None:
        """On stderr, once: what a target has printed, where it has printed something."""
        try:
            with self._files[name].open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - MOST))
                text = file.read(MOST)
            self._files[name].unlink()
        except OSError:
            return
        if text.strip():
            left = f" (the last {MOST:,} bytes)" if size > MOST else ""
            printed = quoted(text.decode(errors="replace")).strip("\n")
            say(f"--- what {name} printed{left} ---\n{printed}\n--- end of {name} ---")

    def show_all(self) -> None:
        """What has not been shown."""
        for name in self._files:
            self.show(name)
