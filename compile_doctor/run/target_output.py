"""The output of targets, torch's warnings among it: kept separately for each target, and shown if the target fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compile_doctor.clean import quoted, say
from compile_doctor.processes import children
from compile_doctor.processes.children import Start
from compile_doctor.processes.scratch import scratch

OUTPUT = "COMPILE_DOCTOR_OUTPUT"
"""The file to which a child of the probe appends its output, and that of all processes that it starts."""
MOST = 200_000
"""How many bytes of one target's output are shown, from its end: a loop may have printed for an hour."""
LINES = 40
"""How many lines of it `diagnose` shows above its report."""


class TargetOutput:
    """One file for each target, in a folder that the caller deletes."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._files = {name: folder / f"{number}.txt" for number, name in enumerate(names)}

    def keeping(self, name: str, start: Start) -> Start:
        """`start`, with the child's output kept under the target's name."""

        def started(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
            return start(mode, command, {**environment, OUTPUT: str(self._files[name])}, timeout)

        return started

    def show(self, name: str, lines: int | None = None) -> None:
        """Shows on stderr, once, what a target has printed, if anything; or the last `lines` of it."""
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
            every = printed.split("\n")
            if lines is not None and len(every) > lines:
                printed, left = "\n".join(every[-lines:]), f" (the last {lines} lines: -v shows all)"
            say(f"--- what {name} printed{left} ---\n{printed}\n--- end of {name} ---")

    def show_all(self) -> None:
        """Shows what has not been shown yet."""
        for name in self._files:
            self.show(name)


@contextmanager
def held_back(name: str, start: Start) -> Iterator[tuple[Start, Callable[[], None]]]:
    """Keeps the output of one target while the block runs: a `start` for it, and a function that shows it.

    If the block is left by an exception, it is shown too.
    """
    with scratch("output") as folder:
        output = TargetOutput(folder, [name])
        try:
            yield output.keeping(name, start), lambda: output.show(name, LINES)
        except BaseException:
            output.show(name, LINES)
            raise


def watch_quietly(
    mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None
) -> dict[str, Any]:
    """As `children.watch`, with the output appended to the file that the variable OUTPUT names."""
    given = dict(environment)
    with open(given.pop(OUTPUT), "ab") as file:
        return children.result(mode, children.start(command, given, timeout, True, stdout=file, stderr=file))
