"""Asks a child process what torch finds on this machine: the doctor itself stays free of torch."""

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
    """Facts by name, in the order in which they are shown; `can compile` is false where torch is missing or broken.

    `asked`: shapes (as `sdpa_shapes.parse_shape` gives them), dtypes, device, causal, mask, dropout, grad; the answers
    are the fact `sdpa`.
    """
    command = [sys.executable, "-m", "compile_doctor.probe.machine", json.dumps(asked)]
    try:
        done = ask(command, child_environment(os.environ, None), TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"can compile": False, "problem": f"torch did not answer within {TIMEOUT} s"}
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), "")
    if done.returncode or not line:
        said = done.stderr.strip().splitlines()
        return {"can compile": False, "problem": said[-1] if said else f"the child ended with code {done.returncode}"}
    facts: dict[str, Any] = json.loads(line)
    return facts
