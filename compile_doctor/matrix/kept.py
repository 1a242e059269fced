"""What a cell leaves in its folder, read back into the table: also cells of an earlier run, if they still hold."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compile_doctor.capture import load_capture
from compile_doctor.errors import DoctorError
from compile_doctor.matrix.cell_process import CAPTURE, ENDED, OUTPUT
from compile_doctor.matrix.plan import Wanted
from compile_doctor.matrix.result import Cell
from compile_doctor.model.evidence import Evidence
from compile_doctor.report.make import make_report
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report
from compile_doctor.source.locations import is_generated

LAST = 4_000
"""Bytes from the end of the output in which the last line is looked for."""


def finish(wanted: Wanted, ended: Mapping[str, Any]) -> Cell:
    """Keeps how the cell ended, which makes it a finished one, and reads it."""
    part = wanted.folder / f".{ENDED}.part"
    part.write_text(json.dumps({**ended, "key": wanted.key, "command": wanted.command}), encoding="utf-8")
    part.replace(wanted.folder / ENDED)
    return _cell(wanted, ended, False)


def kept(wanted: Wanted) -> Cell | None:
    """The result of an earlier run; None if there is none, or the target's files have changed since."""
    try:
        ended = json.loads((wanted.folder / ENDED).read_text(encoding="utf-8"))
        if ended["key"] != wanted.key:
            return None
        evidence = load_capture(wanted.folder / CAPTURE)
        own = (one for one in evidence.facts.files if not is_generated(one, [os.getcwd(), evidence.asked.cwd]))
        files = [_here(one, ended.get("cwd")) for one in own]
        if any(not file.exists() or file.stat().st_mtime >= ended["began"] for file in files):
            return None
    except (OSError, ValueError, KeyError, TypeError, DoctorError):
        return None
    return _cell(wanted, ended, True, evidence)


def not_run(wanted: Wanted, reason: str) -> Cell:
    """A cell without a report; if it was started, with its output."""
    output = wanted.folder / OUTPUT
    values = {name: value.label for name, value in wanted.values.items()}
    shown = str(output) if output.exists() else ""
    return Cell(wanted.environment.torch, values, wanted.command, "not-run", reason, output=shown)


def _here(file: str, cwd: str | None) -> Path:
    """The file on this machine: on a node of a Ray cluster the working directory was a copy, elsewhere."""
    path = Path(file)
    return Path.cwd() / path.relative_to(cwd) if cwd and path.is_relative_to(cwd) else path


def _cell(wanted: Wanted, ended: Mapping[str, Any], resumed: bool, evidence: Evidence | None = None) -> Cell:
    capture = wanted.folder / CAPTURE
    if evidence is None and not any(capture.glob("*.json*")):
        return not_run(wanted, _why(wanted, ended))
    try:
        evidence = evidence or load_capture(capture)
    except DoctorError as error:
        return not_run(wanted, str(error))
    if evidence.facts.usage:
        return not_run(wanted, f"torch.compile refuses these options: {evidence.facts.usage}")
    if evidence.facts.not_a_target:
        return not_run(wanted, evidence.facts.not_a_target)
    report = relative(make_report(evidence))
    verdict, reason = _verdict(wanted, report)
    return Cell(
        torch=str(report.environment.get("torch") or wanted.environment.torch),
        values={name: value.label for name, value in wanted.values.items()},
        command=wanted.command,
        verdict=verdict,
        reason=reason,
        report=report,
        capture=str(capture),
        output=str(wanted.folder / OUTPUT),
        node=str(ended.get("node") or ""),
        resumed=resumed,
    )


def _verdict(wanted: Wanted, report: Report) -> tuple[str, str]:
    """That of the report; with compile=off a run that only lacks compiled code is what was asked for."""
    outcomes = [finding for finding in report.findings if finding.is_outcome]
    nothing = [finding for finding in outcomes if finding.facts.category == "frames"]
    if not wanted.compiled and report.verdict == "inconclusive" and outcomes and outcomes == nothing:
        bad = any(one.severity == "error" and not one.is_outcome for one in report.findings)
        return ("unhealthy", "") if bad else ("uncompiled", "nothing was compiled, as asked")
    return report.verdict, report.reason


def _why(wanted: Wanted, ended: Mapping[str, Any]) -> str:
    """Why there is no evidence: `diagnose` itself did not begin."""
    if ended.get("ended") == "timeout":
        return f"It did not end within {wanted.timeout:g} s (--timeout)."
    try:
        lines = (wanted.folder / OUTPUT).read_bytes()[-LAST:].decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    last = f": {lines[-1].strip()[:300]}" if lines else ""
    code = ended.get("exit_code")
    return (
        f"compile-doctor did not run there (it was ended{last})"
        if code is None
        else (f"compile-doctor did not run there (exit code {code}{last})")
    )
