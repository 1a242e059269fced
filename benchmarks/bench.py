"""Keeps what `compile-doctor bench --suite -o json:…` measured on another machine, in bench/TORCH-DEVICE.json.

python benchmarks/bench.py --from gpu.json --write    # keeps it, and puts the table into README.md
python benchmarks/bench.py --write                    # only the table, with the ranks of today's rules
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

from tables import publish, table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compile_doctor.bench.result import Bench, Row, ranked
from compile_doctor.model.sizes import human
from compile_doctor.render.bench_text import seconds

FOLDER = Path(__file__).resolve().parent / "bench"
NAMES = {"median_seconds": "median", "p25_seconds": "p25", "p75_seconds": "p75"}
COMPUTED = ("seconds_per_token", "ratio")


def as_bench(document: dict) -> Bench:
    """A document as the result that it was written from; the ranks are made again."""
    rows = [
        Row(**{NAMES.get(key, key): value for key, value in row.items() if key not in COMPUTED})
        for row in document["rows"]
    ]
    return Bench(document["subject"], document["environment"], document["inputs"], ranked(rows))


def keep(path: Path) -> None:
    """One row per line, so that a later measurement can be compared with this one."""
    found = json.loads(path.read_text(encoding="utf-8"))
    name = f"{found['environment']['torch'].partition('+')[0]}-{found['environment']['device']}"
    head = json.dumps({key: value for key, value in found.items() if key != "rows"})[1:-1]
    rows = ",\n".join(json.dumps(row) for row in found["rows"])
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(f'{{{head}, "rows": [\n{rows}\n]}}\n', encoding="utf-8")


def summary() -> str:
    """For each case and size the rows by time, with what the spread allows to say about them."""
    lines = []
    for file in sorted(FOLDER.glob("*.json")):
        found = as_bench(json.loads(file.read_text(encoding="utf-8")))
        for (case, tokens), group in groupby(found.rows, key=lambda row: (row.case, row.tokens)):
            measured = [row for row in group if row.status == "measured"]
            told = [f"{one.implementation} {seconds(one.median)} ({_ratio(one)})" for one in measured]
            peaks = [one.peak_bytes for one in measured if one.peak_bytes is not None]
            span = f"{human(min(peaks))} to {human(max(peaks))}" if peaks else None
            lines.append([file.stem, case, f"{tokens:,}", "; ".join(told), span])
    return table(("torch, device", "case", "tokens", "median (to the best)", "peak"), lines)


def _ratio(row: Row) -> str:
    return f"{row.ratio:.2f}×" if row.ratio else "too noisy to rank"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="documents", action="append", default=[], type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="update the table in README.md")
    arguments = parser.parse_args()
    for path in arguments.documents:
        keep(path)
    publish("bench", summary(), arguments.write)


if __name__ == "__main__":
    main()
