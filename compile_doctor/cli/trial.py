"""`diagnose --try-recipes`: the second run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compile_doctor.cli.output import write_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from compile_doctor.cli.options import OutputOptions
    from compile_doctor.model.asked import Settings
    from compile_doctor.model.evidence import Evidence
    from compile_doctor.processes.children import Start
    from compile_doctor.targets.target import Target


def finish_trial(
    evidence: Evidence,
    target: Target,
    settings: Settings,
    folder: Path,
    output: OutputOptions,
    start: Start,
    show: Callable[[], None] | None,
) -> int:
    """Runs the target again with the recipes that the findings name; the exit code stays that of the first run."""
    from compile_doctor.report.compare import compare, helpful_recipes
    from compile_doctor.report.make import make_report
    from compile_doctor.run.launch import diagnose
    from compile_doctor.run.progress import Progress

    progress = Progress(output.quiet)
    report = make_report(evidence)
    names = helpful_recipes(report)
    if not names:
        progress.say("no known recipe is about these findings: nothing to try")
        return write_report(report, output, show)
    chosen = ",".join(filter(None, [settings.patches, *names]))
    progress.say(f"running again with {chosen}")
    keep = not report.temporary
    second = diagnose(target, replace(settings, patches=chosen), folder / "with-recipes", keep, progress, start)
    report = replace(report, trial=compare(report, make_report(second)))
    return write_report(report, output, show)
