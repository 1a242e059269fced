"""Keeps the code objects of frames with a graph break, and decompiles them with depyf; every call of depyf may fail."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from types import CodeType
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog

MOST = 60
"""The most frames that are kept: a model with 200 breaks repeats the same few."""


class Bytecode:
    """Records frames from its creation until `write`."""

    def __init__(self) -> None:
        self.frames: list[tuple[CodeType, CodeType]] = []
        self.handle = compat.register_bytecode_hook(self._keep)

    def _keep(self, original: CodeType, transformed: CodeType) -> None:
        broke = any("__resume_at" in name or "torch_dynamo_resume_in" in name for name in transformed.co_names)
        if (broke or original.co_name.startswith("torch_dynamo_resume_in")) and len(self.frames) < MOST:
            self.frames.append((original, transformed))

    def write(self, log: EventLog, directory: Path) -> None:
        """Decompiles the frames into `bytecode/`, one file each, and writes one event for each."""
        self.handle.remove()
        if not self.frames:
            return
        folder = directory / "bytecode"
        folder.mkdir(exist_ok=True)
        for number, (original, transformed) in enumerate(self.frames):
            text, note = decompile(transformed)
            name = f"{number:03}-{original.co_name}.py"
            if text:
                (folder / name).write_text(text, encoding="utf-8")
            log.write(
                schema.Bytecode(
                    function=original.co_name,
                    file=original.co_filename,
                    line=original.co_firstlineno,
                    text=name if text else None,
                    note=note,
                )
            )


def decompile(code: CodeType) -> tuple[str | None, str | None]:
    """(source, None) or (None, reason). depyf prints its own tracebacks, and raises almost anything."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            from depyf import decompile as run

            result: Any = run(code)
    except BaseException as error:  # depyf asserts, recurses and exits; only this frame may be lost
        if isinstance(error, KeyboardInterrupt):
            raise
        first = str(error).strip().split("\n", 1)[0][:120]
        return None, f"depyf could not decompile it: {type(error).__name__}{': ' + first if first else ''}"
    if not isinstance(result, str) or not result.strip():
        return None, "depyf returned no source"
    return result, None
