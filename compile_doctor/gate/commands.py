"""Observes the command of a target, as `run` does, with its output kept like that of the other targets."""

from __future__ import annotations

import shlex

from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.model.evidence import Evidence
from compile_doctor.processes.children import Start
from compile_doctor.processes.scratch import scratch
from compile_doctor.run.launch import run_command


def observe_command(target: GateTarget, limited: Start) -> Evidence:
    """The evidence of a target's command. Never from the cache: what a command reads is not observed."""
    with scratch() as folder:
        return run_command(shlex.split(target.command), target.timeout, folder, False, target.patches, limited)
