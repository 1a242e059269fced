"""One worker of the suite: reads units of work from stdin, one JSON object per line, and writes cells to stdout likewise.

Started by compile_doctor.parity.workers with one argument, the path of a JSON file with the settings. Its first line is
the plan: the units that the settings ask for, or `usage`, the reason why there are none.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main(settings_file: str) -> int:
    settings: dict[str, Any] = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    # What the target or a compiler prints belongs on stderr: stdout is the channel to the doctor.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)

        def say(kind: str, **values: Any) -> None:
            channel.write(json.dumps({"kind": kind, **values}) + "\n")
            channel.flush()

        _work(settings, say, Path(settings_file).parent)
    return 0


def _work(settings: dict[str, Any], say: Any, folder: Path) -> None:
    from compile_doctor.recipes import waiting

    if settings.get("patches"):
        waiting.start(settings["patches"])
    # Up to 2.12 torch's caches reuse code that was compiled for another number of threads (recipe inductor-thread-cache).
    tag = f"{os.environ.get('TORCH_COMPILE_CACHE_KEY_TAG', '')};{settings['threads']} threads"
    os.environ["TORCH_COMPILE_CACHE_KEY_TAG"] = tag.lstrip(";")
    import torch

    from compile_doctor.probe.entry import shortcuts
    from compile_doctor.probe.parity.plan import UsageMistake, make_plan

    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    importlib.import_module("torch._dynamo.convert_frame")
    shortcuts.skip_guard_timing()
    shortcuts.precompile_flex_headers()
    shortcuts.reuse_templates()
    try:
        plan = make_plan(settings)
    except UsageMistake as mistake:
        say("usage", message=str(mistake))
        return
    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.parity.seen import Watcher

    say("plan", units=plan.units, environment=describe_environment(settings["device"]))
    watcher = Watcher(folder)
    for line in sys.stdin:
        unit = json.loads(line)
        _run(plan, unit, watcher, say, settings)
        say("done")


def _run(plan: Any, unit: dict[str, Any], watcher: Any, say: Any, settings: dict[str, Any]) -> None:
    """Runs the remaining `cells` of a unit (one case, heads and dtype), each an implementation and a direction."""
    import torch

    from compile_doctor.probe.parity.cases import find_case, make_problem
    from compile_doctor.probe.parity.judge import Judge
    from compile_doctor.probe.parity.known_defects import defect_of_case
    from compile_doctor.recipes import waiting

    problem = make_problem(find_case(unit["case"]), unit["heads"], unit["dtype"], settings["device"], settings["seed"])
    judge = Judge(problem, watcher)
    torch._dynamo.reset()  # else the recompile limit ends the comparison after some cases
    for name, direction in _cells(unit):
        say("begin", implementation=name, direction=direction)
        refusal = plan.refusal(name, unit["dtype"], direction)
        verdict = refusal or judge.judge(plan.implementations[name], direction)
        # Read after the run: a recipe is applied only when the module that it changes is imported.
        active = [one.id for one in waiting.outcomes() if one.state == "active"] if settings.get("patches") else []
        found = asdict(verdict)
        defect = found.pop("defect")
        known = defect if verdict.status == "UNSUPPORTED" else None  # a target that raises fails in any case
        if verdict.status == "FAIL":  # no defects are known for a target's compilations
            known = defect_of_case(unit["case"], name, direction, settings["device"])
        known = None if known in active else known
        say("cell", implementation=name, direction=direction, known=known, recipes=active, **found)


def _cells(unit: dict[str, Any]) -> Iterable[tuple[str, str]]:
    return [(name, direction) for name, direction in unit["cells"]]


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # a target's threads and exit handlers must not hold the suite
