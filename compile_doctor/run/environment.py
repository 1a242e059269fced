"""Asks a child process what torch finds on this machine: compile-doctor itself does not import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from compile_doctor.processes.children import ask, child_environment

TIMEOUT = 300


def inspect_environment(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Facts by name, in the order in which they are shown; `can compile` is false if torch is missing or broken.

    `asked`: shapes (as `sdpa_shapes.parse_shape` returns them), dtypes, device, causal, mask, dropout, grad. The fact
    `sdpa` has the answers.
    """
    command = [sys.executable, "-m", "compile_doctor.probe.machine", json.dumps(asked)]
    try:
        done = ask(command, child_environment(os.environ, None), TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"can compile": False, "problem": f"torch did not answer within {TIMEOUT} s"}
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), "")
    if done.returncode or not line:
        lines = done.stderr.strip().splitlines()
        problem = lines[-1] if lines else f"the child process ended with exit status {done.returncode}"
        return {"can compile": False, "problem": problem}
    facts: dict[str, Any] = json.loads(line)
    return facts
