"""Observes the command of a target, as `run` does, with its output kept like that of the other targets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from compile_doctor.gate.config import GateTarget
from compile_doctor.model.evidence import Evidence
from compile_doctor.processes import children
from compile_doctor.processes.children import Start
from compile_doctor.processes.scratch import scratch
from compile_doctor.run.launch import run_command
from compile_doctor.run.target_output import OUTPUT


def observe_command(target: GateTarget, limited: Start) -> Evidence:
    """The evidence of a target's command. Never from the cache: what a command reads is not observed."""
    with scratch() as folder:
        return run_command(shlex.split(target.command), target.timeout, folder, False, target.patches, limited)


def watch_quietly(
    mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None
) -> dict[str, Any]:
    """As `children.watch`, with the output appended to the file that the variable OUTPUT names."""
    given = dict(environment)
    with open(given.pop(OUTPUT), "ab") as file:
        return children.result(mode, children.start(command, given, timeout, True, stdout=file, stderr=file))
