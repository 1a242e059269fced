"""Changes captures, baselines, configuration and cache entries at random, and counts false passes, crashes and hangs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tables

ROOT = Path(__file__).resolve().parent.parent
HEADER = [
    "what",
    "inputs",
    "kinds",
    "turned",
    "crashes",
    "hangs",
    "over 128 MB",
    "peak MB",
    "seconds",
    "what came of them",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        table = Path(folder) / "table.json"
        wanted = ["--inputs", str(options.inputs), "--seed", str(options.seed), "-j", str(options.jobs)]
        command = [sys.executable, "-m", "tests.fuzz.run", *wanted, "--json", str(table)]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        found = json.loads(table.read_text())
    if options.write:
        tables.save("fuzz", found)
    rows = [
        [
            *(row[key] for key in ("what", "inputs", "kinds", "turned")),
            row["crash"] + row["died"],
            row["hang"],
            row["memory"],
            row["peak MB"],
            row["seconds"],
            ", ".join(f"{count} {word}" for word, count in sorted(row["outcomes"].items())),
        ]
        for row in found["rows"]
    ]
    tables.publish("fuzz", tables.table(HEADER, rows), options.write)
    return code


if __name__ == "__main__":
    sys.exit(main())
