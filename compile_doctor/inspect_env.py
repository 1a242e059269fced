"""Asks a child process what torch finds on this machine: the doctor itself stays free of torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from compile_doctor.children import child_environment

TIMEOUT = 120


def inspect_environment() -> dict[str, Any]:
    """Facts by name, in the order in which they are shown; `can compile` is false where torch is missing or broken."""
    command = [sys.executable, "-m", "compile_doctor.probe.machine"]
    try:
        done = subprocess.run(
            command,
            env=child_environment(os.environ, None),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"can compile": False, "problem": f"torch did not answer within {TIMEOUT} s"}
    line = next((line for line in reversed(done.stdout.splitlines()) if line.startswith("{")), "")
    if done.returncode or not line:
        said = done.stderr.strip().splitlines()
        return {"can compile": False, "problem": said[-1] if said else f"the child ended with code {done.returncode}"}
    facts: dict[str, Any] = json.loads(line)
    return facts
