"""The time of one compiled call, before and after, by the timer of `bench`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from compile_doctor.bench.run import BenchSettings, bench
from compile_doctor.errors import DoctorError
from compile_doctor.model.asked import Settings
from compile_doctor.run.progress import Progress
from compile_doctor.run.target_output import TargetOutput, watch_quietly
from compile_doctor.targets.target import Target

SECONDS = 0.3
LIMIT = 180.0


def median_seconds(target: Target, settings: Settings, folder: Path) -> float | str:
    """Median seconds of one compiled call, or why there are none."""
    names = {one.name for one in fields(BenchSettings)} & {one.name for one in fields(Settings)} - {"tokens", "timeout"}
    shared = {name: getattr(settings, name) for name in names}
    sizes = () if settings.tokens is None else (settings.tokens,)
    wanted = BenchSettings(**shared, tokens=sizes, seconds=SECONDS, timeout=LIMIT)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # what the target prints was shown by the first run
        start = TargetOutput(folder, [target.text]).keeping(target.text, watch_quietly)
        rows = bench(target, wanted, (), folder, Progress(quiet=True), start).rows
    except DoctorError as error:
        return str(error)
    compiled = [row for row in rows if row.implementation != "eager"]
    chosen = [row for row in compiled if row.case.endswith("backward") == settings.grad] or compiled
    if not chosen:
        return "the target has nothing compiled to measure"
    row = chosen[0]
    return row.median if row.median is not None else (row.reason or row.status)
