"""The findings of the last report, kept as text for `compile-doctor explain N`, in the user's cache folder."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compile_doctor.errors import UsageError

if TYPE_CHECKING:
    from compile_doctor.report.report import Report

FILE = "last-report.json"
MOST = 1_000
"""Findings that are kept."""
_START = "Run `compile-doctor diagnose TARGET`, or `compile-doctor report CAPTURE`: `explain N` shows a finding of the last report."


def keep(report: Report) -> bool:
    """Keeps the findings, readable for the user only; returns whether that worked. A report does not fail for it."""
    from compile_doctor.processes.cache_place import cache_place
    from compile_doctor.render.text_report import findings_in_full

    folder = cache_place()
    if folder is None:
        return False
    try:
        kept = {
            "command": shlex.join(["compile-doctor", *sys.argv[1:]]),
            "time": time.strftime("%Y-%m-%d %H:%M"),
            "folder": os.getcwd(),
            "count": len(report.findings),
            "findings": findings_in_full(report, MOST),
        }
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / FILE, json.dumps(kept))
    except OSError:
        return False
    return True


def recall(number: int) -> str:
    """Finding `number` in full, with the report that it belongs to. Raises UsageError if there is none."""
    kept = _kept()
    of = f"the last report: {kept['command']}   ({kept['time']}, in {kept['folder']})"
    count, findings = kept["count"], kept["findings"]
    if not 0 < number <= len(findings):
        known = "no findings" if not count else f"{count:,} finding{'s' * (count != 1)}"
        raise UsageError(f"There is no finding {number} in {of}. It has {known}.", hint="" if count else _START)
    return f"Finding {number} of {of}\n\n{findings[number - 1]}"


def _kept() -> dict[str, Any]:
    from compile_doctor.processes.cache_place import cache_place

    folder = cache_place()
    try:
        if folder is None:
            raise FileNotFoundError
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        texts = [kept["command"], kept["time"], kept["folder"], *kept["findings"]]
        if not all(isinstance(one, str) for one in texts) or not isinstance(kept["count"], int):
            raise ValueError("not the texts of a report")
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError("No report is kept.", hint=_START) from None
    return dict(kept)


def _replace(path: Path, text: str) -> None:
    """Writes the file under another name first: a report that is made meanwhile is either kept whole or not at all."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}-")  # only the user can read it
    try:
        with open(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
