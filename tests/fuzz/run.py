"""Runs the mutations in processes of their own: one that hangs or dies is named with its seed, and the others go on.

    python -m tests.fuzz.run                        about a minute
    python -m tests.fuzz.run --inputs 20000 -j 2    as many as wanted
    python -m tests.fuzz.run --only captures --kind "a zip bomb" --number 17     one of them again

Exit code 0: nothing turned HEALTHY (or into a pass, or an answer), nothing crashed, hung, or took more than 128 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz import TESTS, captures

LIMIT = 128 << 20
"""Bytes that the process may have at its height."""
SECONDS = 20.0
"""For one input; none that was seen takes three."""
BAD = ("turned", "crash", "hang", "memory", "died")
SUBJECTS = ("captures", "baselines", "configuration", "cache entries")
SHARES = {"captures": 0.6, "baselines": 0.2, "configuration": 0.1, "cache entries": 0.1}


# -- the side that tries ----------------------------------------------------------------------------------------------


class Captures:
    """HEALTHY takes a capture that is what was sealed, whatever it says."""

    kinds = captures.KINDS

    def __init__(self, place: Path) -> None:
        self.place = place
        self.paths = captures.subjects()

    def try_one(self, kind: str, draw: random.Random) -> str:
        path = draw.choice(self.paths)
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's, of a name that is there twice
                made = captures.make(path, kind, draw, Path(folder))
            gc.collect()
            reset_height()
            return self._judge(path, made, kind)

    def _judge(self, path: Path, made: Path, kind: str) -> str:
        from compile_doctor.capture.load import load_capture
        from compile_doctor.errors import DoctorError
        from compile_doctor.render import renderer
        from compile_doctor.report.make import make_report
        from compile_doctor.report.verdict import exit_code

        try:
            evidence = load_capture(made)
        except DoctorError:
            return "turned" if kind in captures.SAME else "refused"
        report = make_report(evidence)
        code = exit_code(report, "error")
        shown = renderer("text")(report, 2) + renderer("json")(report, 1)
        if "root:x:0:0" in shown or "ssl_conf" in shown:
            return "turned"  # a file of this machine's
        if any(reason.startswith("it raised ") for _, reason in report.skipped_checks):
            return "crash"
        if (report.verdict == "healthy") != (code == 0):
            return "turned"
        whole = load_capture(path)
        if kind in captures.SAME:
            return "same" if evidence == whole and code == exit_code(make_report(whole), "error") else "turned"
        if code == 0:
            return "same" if evidence == whole else "turned"
        return report.verdict


def subject(name: str, place: Path) -> Any:
    if name == "captures":
        return Captures(place)
    from tests.fuzz import others

    kind = {"baselines": others.Baselines, "configuration": others.Configurations, "cache entries": others.Entries}
    return kind[name](place)


def reset_height() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def height() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def work(name: str, seed: int, numbers: list[int], only: str | None) -> None:
    """A line before and after each input, so that whoever reads knows which one did not come back."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        made = subject(name, Path(folder))
        for number in numbers:
            kind = only or made.kinds[number % len(made.kinds)]
            print(json.dumps([number, kind, "begun", 0]), flush=True)
            gc.collect()
            reset_height()
            try:
                found = made.try_one(kind, random.Random(f"{seed}/{name}/{kind}/{number}"))
            except Exception as error:
                found = f"crash: {type(error).__name__}: {str(error)[:300]}"
            top = height()
            print(json.dumps([number, kind, "memory" if top > LIMIT else found, top]), flush=True)


# -- the side that watches --------------------------------------------------------------------------------------------


def watch(name: str, seed: int, numbers: list[int], only: str | None) -> Iterator[tuple[int, str, str, int]]:
    """(number, kind, what came of it, bytes at the height) of each input."""
    left = list(numbers)
    while left:
        command = [sys.executable, "-m", "tests.fuzz.run", "--work", json.dumps([name, seed, left, only])]
        child = subprocess.Popen(command, cwd=TESTS.parent, stdout=subprocess.PIPE, text=True)
        lines = reading(child)
        begun: tuple[int, str] | None = None
        # An empty line is the end of the worker, none in time a hang.
        while line := next_of(lines):
            number, kind, found, top = json.loads(line)
            if found == "begun":
                begun = number, kind
                continue
            begun = None
            left.remove(number)
            yield number, kind, found, top
        ended = child.poll()
        child.kill()
        child.wait()
        if begun is None:
            if left:
                raise SystemExit(f"the worker for {name} ended with {ended} before its first input")
            return
        left.remove(begun[0])
        yield *begun, "hang" if ended is None else f"died: {ended}", 0


def reading(child: subprocess.Popen[str]) -> queue.SimpleQueue[str]:
    """What it prints, line by line, by a thread: a pipe that was read ahead looks empty to `select`."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        assert child.stdout is not None
        for line in child.stdout:
            lines.put(line)
        child.wait()
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    return lines


def next_of(lines: queue.SimpleQueue[str]) -> str:
    try:
        return lines.get(timeout=SECONDS)
    except queue.Empty:
        return ""


def several(
    name: str, seed: int, numbers: list[int], only: str | None, jobs: int
) -> Iterator[tuple[int, str, str, int]]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(jobs) as pool:
        shares = [numbers[start::jobs] for start in range(jobs)]
        for found in pool.map(lambda share: list(watch(name, seed, share, only)), shares):
            yield from found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--only", choices=SUBJECTS)
    parser.add_argument("--kind")
    parser.add_argument("--number", type=int)
    parser.add_argument("--json", type=Path, help="the table as JSON, for benchmarks/fuzz.py")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*json.loads(options.work))
        return 0
    rows, bad = [], []
    for name in [options.only] if options.only else SUBJECTS:
        count = options.inputs if options.only else round(options.inputs * SHARES[name])
        numbers = [options.number] if options.number is not None else list(range(count))
        began, outcomes, tops, kinds = time.monotonic(), Counter[str](), [0], defaultdict(int)
        for number, kind, found, top in several(name, options.seed, numbers, options.kind, options.jobs):
            outcomes[found.partition(":")[0]] += 1
            tops.append(top)
            kinds[kind] += 1
            if found.partition(":")[0] in BAD:
                bad.append(f"{name}: --kind {kind!r} --number {number}: {found} ({top >> 20} MB)")
        row = {"what": name, "inputs": sum(kinds.values()), "kinds": len(kinds), "peak MB": max(tops) >> 20}
        row |= {word: outcomes[word] for word in BAD}
        rows.append({**row, "seconds": round(time.monotonic() - began), "outcomes": dict(outcomes)})
        print(" · ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    for text in bad[:50]:
        print(text)
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "rows": rows, "bad": bad}, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
