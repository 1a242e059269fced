"""For authors of plug-ins: tests that a check fires on its own program, and is silent on the corrected one."""

from __future__ import annotations

import shlex
from dataclasses import fields

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import all_checks
from compile_doctor.checks.base import Check
from compile_doctor.cli.diagnose import command
from compile_doctor.model.asked import Settings
from compile_doctor.model.findings import Finding
from compile_doctor.processes.scratch import scratch
from compile_doctor.recipes.catalogue import within
from compile_doctor.report.run_checks import run_checks
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target


def check_fires(check: Check) -> None:
    """Diagnoses `check.fires` and `check.silent` with `check.options`; the check does not have to be installed.

    Raises AssertionError, listing all findings, unless the check has a finding in the first program (on the versions of
    torch that it names) and none in the second. Takes a few seconds with `--backend eager`, and needs torch.
    """
    for kind in ("fires", "silent"):
        torch, found = _found(check, kind)
        fired = any(finding.code == check.code for finding in found)
        wanted = kind == "fires" and (not check.versions or within(check.versions, torch))
        if fired != wanted:
            listed = "; ".join(f"{one.code} {one.title}" for one in found) or "nothing"
            raise AssertionError(
                f"{check.code} {'fires' if fired else 'does not fire'} on its program `{kind}` with torch {torch}. "
                f"Findings: {listed}"
            )


def _found(check: Check, kind: str) -> tuple[str, tuple[Finding, ...]]:
    """torch's version, and the findings of all checks."""
    source = getattr(check, kind)
    if not source:
        raise AssertionError(f"{check.code} has no program `{kind}`")
    with scratch() as folder:
        path = folder / f"{check.code.lower()}_{kind}.py"
        path.write_text(source, encoding="utf-8")
        options = command.make_context("diagnose", [str(path), *shlex.split(check.options)]).params
        settings = Settings(**{one.name: options[one.name] for one in fields(Settings) if one.name in options})
        evidence = diagnose(parse_target(str(path)), settings, folder / "capture", False, Progress(True))
        problem = evidence.facts.usage or evidence.facts.not_a_target
        if problem:
            raise AssertionError(f"{check.code}: its program `{kind}` cannot be run: {problem}")
        others = (one for one in all_checks() if one.code != check.code)
        found = run_checks((*others, check), AnalysisContext(evidence))
    why = next((reason for code, reason in found.skipped if code == check.code and found.problem), "")
    if why:
        raise AssertionError(f"{check.code} on its program `{kind}`: {why}")
    return str(evidence.environment.get("torch", "")), found.findings
