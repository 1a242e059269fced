"""A seeded share of the fuzzing, bounded to about a minute; `make fuzz` has more."""

from __future__ import annotations

import json
import subprocess
import sys

from conftest import ROOT
from fuzz.captures import KINDS


def test_nothing_that_is_changed_turns_healthy_crashes_or_fills_the_memory(tmp_path):
    table = tmp_path / "table.json"
    command = [sys.executable, "-m", "tests.fuzz.run", "--inputs", "400", "-j", "1", "--json", str(table)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(table.read_text())
    assert found["bad"] == [] and sum(row["inputs"] for row in found["rows"]) == 400
    captures = found["rows"][0]
    assert captures["kinds"] == len(KINDS) >= 25
    assert captures["outcomes"]["same"] > 0 and captures["outcomes"]["inconclusive"] > captures["inputs"] / 2


def test_a_harness_that_finds_nothing_would_be_found_out():
    """Without seal and proof, as it was once, a capture is taken at its word: then the harness must complain."""
    program = (
        "from compile_doctor.capture import seal; seal.damage = lambda members: iter(())\n"
        "from compile_doctor.report import proof; proof.lost = proof.lacking = lambda *given, **named: ()\n"
        "from tests.fuzz import run; run.work('captures', 16, list(range(0, 800, 40)), None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert '"turned"' in done.stdout
