"""Time and memory to read a 200 MB trace: tlparse, a plain pass over its headers, and `compile-doctor report`."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import others
import tables
from doctor import BASE
from processes import ROOT, Finished, run

SOURCE = ROOT / "tests" / "programs" / "break_rope_scale_three_deep.py"
FRAME = re.compile(rb'"frame_id": (\d+)')
RECORD = re.compile(rb"^[A-Z]\d{4} ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=float, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--source", type=Path, help="a trace file to repeat; by default one is recorded with Inductor")
    parser.add_argument("--keep", type=Path, help="write the trace there instead of into a temporary folder")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--pass", dest="pass_over", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pass_over:
        print(json.dumps(plain_pass(options.pass_over)))
        return
    with tempfile.TemporaryDirectory(prefix="doctor-trace-") as temporary:
        folder = Path(temporary)
        source = options.source or record(folder / "source", options.timeout)
        trace = (options.keep or folder / "big") / "dedicated_log_torch_trace_big.log"
        trace.parent.mkdir(parents=True, exist_ok=True)
        built = enlarge(source, trace, int(options.mb * 1e6))
        print(json.dumps(built), file=sys.stderr)
        measured = measure(trace, folder, options.runs, options.timeout)
    tables.save("trace", {"trace": built, "measured": measured})
    rows = [[name, one.get("seconds"), one.get("peak_mb"), one.get("error", "")] for name, one in measured.items()]
    tables.publish("trace", tables.table(["reader", "seconds", "peak MB", ""], rows), options.write)


def record(folder: Path, timeout: float) -> Path:
    """Records a real trace, with a break and generated code."""
    env = {"TORCH_TRACE": str(folder), "TORCHINDUCTOR_CACHE_DIR": str(folder / "cache")}
    finished = run([sys.executable, others.CHILD, "compile", SOURCE, "--backend", "inductor"], env, timeout)
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_size)
    if not logs:
        raise SystemExit(f"no trace was recorded: {finished.last_error()}")
    return logs[-1]


def enlarge(source: Path, trace: Path, size: int) -> dict[str, Any]:
    """Repeats the records with new frame ids, as in a longer run. Interned strings occur once, as in a real trace."""
    records = list(split(source.read_bytes()))
    frames = 1 + max((int(found[1]) for head, _ in records for found in FRAME.finditer(head)), default=0)
    written = repeats = count = 0
    with trace.open("wb") as out:
        while written < size:
            for head, payload in records:
                if repeats and (b'{"str": ' in head or not FRAME.search(head)):
                    continue
                written += out.write(renumber(head, repeats * frames)) + out.write(payload)
                count += 1
            repeats += 1
    return {"bytes": written, "records": count, "repeats": repeats, "frames": repeats * frames}


def renumber(head: bytes, offset: int) -> bytes:
    return FRAME.sub(lambda found: b'"frame_id": %d' % (int(found[1]) + offset), head)


def split(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The header line of each record, and the lines of its payload."""
    head, payload = b"", b""
    for line in content.splitlines(keepends=True):
        if RECORD.match(line):
            if head:
                yield head, payload
            head, payload = line, b""
        else:
            payload += line
    if head:
        yield head, payload


def plain_pass(trace: Path) -> dict[str, int]:
    """The minimum for a reader in Python: finds each record and decodes its header."""
    records = payload_lines = 0
    with trace.open("rb") as lines:
        for line in lines:
            if line[:1] == b"\t":
                payload_lines += 1
            elif RECORD.match(line):
                json.loads(line[line.index(b"{") :])
                records += 1
    return {"records": records, "payload_lines": payload_lines}


def measure(trace: Path, folder: Path, runs: int, timeout: float) -> dict[str, dict[str, Any]]:
    """Runs all readers in each round, so that other load on the machine affects all of them."""
    collected: dict[str, list[Finished]] = {}
    for number in range(runs):
        tlparse = others.find_tlparse()
        commands: dict[str, list[str | Path]] = {
            "plain pass": [sys.executable, __file__, "--pass", trace],
            "compile-doctor report": [*BASE, "report", trace.parent, "--format", "json"],
            "compile-doctor report, HTML": [*BASE, "report", trace.parent, "--format", "html"],
        }
        if tlparse:
            commands["tlparse 0.4.3"] = [tlparse, trace, "-o", folder / f"out-{number}", "--no-browser"]
        for name, command in commands.items():
            collected.setdefault(name, []).append(run(command, timeout=timeout))
            print(f"{name}: {collected[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
    return {
        name: summarise(finished, allowed={0, 1, 3} if name.startswith("compile") else {0})
        for name, finished in collected.items()
    }


def summarise(finished: list[Finished], allowed: set[int]) -> dict[str, Any]:
    """Median seconds and peak memory, or the error. `report` ends with 1 if it has findings, with 3 without a verdict; so does a crash, without a report."""
    failed = [
        one
        for one in finished
        if one.code not in allowed or (one.code and not one.stdout.lstrip().startswith(("{", "<!DOCTYPE")))
    ]
    if failed:
        return {"error": failed[0].last_error()}
    return {
        "seconds": round(median(one.seconds for one in finished), 2),
        "peak_mb": round(median(one.peak_mb for one in finished), 1),
        "all_seconds": [round(one.seconds, 2) for one in finished],
    }


if __name__ == "__main__":
    main()
