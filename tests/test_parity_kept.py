"""What `parity` has compared is kept when it is interrupted, and resumed: with workers that compute nothing."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from compile_doctor.parity import kept, suite
from compile_doctor.parity.result import Cell
from compile_doctor.parity.suite import SuiteSettings, run_suite
from compile_doctor.parity.worker import WorkerDiedError
from compile_doctor.render import parity_renderer
from compile_doctor.run.progress import Progress

UNITS = [
    {"case": case, "heads": "mha", "dtype": "float32", "cells": [["sdpa-math", "forward"], ["flex-eager", "forward"]]}
    for case in ("causal", "documents")
]
QUIET = Progress(True)


class FakeWorker:
    """Computes at once; with `stop_after`, Ctrl-C comes while the cell after that many is computed."""

    environment: ClassVar[dict] = {"torch": "2.13.0", "device": "cpu"}
    stop_after: int | None = None
    computed: ClassVar[list[str]] = []

    def __init__(self, file: Path, output: Path, settings: SuiteSettings) -> None:
        self.running, self.ended = False, threading.Event()

    def start(self) -> dict:
        self.running = True
        return {"kind": "plan", "units": UNITS, "environment": self.environment}

    def work(self, unit: dict):
        for name, direction in unit["cells"]:
            at = {"implementation": name, "direction": direction}
            yield {"kind": "begin", **at}
            if len(self.computed) == self.stop_after:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                assert self.ended.wait(30)
                raise WorkerDiedError("the process died (it was ended)", at)
            self.computed.append(f"{unit['case']} {name}")
            recipes = ["flex-autocast"] if name == "flex-eager" else []
            yield {"kind": "cell", **at, "status": "PASS", "max_error": 1e-7, "tolerance": 1e-6, "recipes": recipes}

    def end(self) -> None:
        self.ended.set()


@pytest.fixture
def worker(tmp_path, monkeypatch):
    class Own(FakeWorker):
        computed: ClassVar[list[str]] = []

    monkeypatch.setattr(suite, "Worker", Own)
    monkeypatch.setattr(suite, "require_torch", lambda: None)
    monkeypatch.setattr(kept, "cache_place", lambda: tmp_path)
    return Own


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_shows_what_was_compared_and_resume_computes_only_the_rest(worker):
    worker.stop_after = 3
    found = run_suite(SuiteSettings(), 1, QUIET)
    assert [cell.status for cell in found.cells] == ["PASS"] * 3, "a worker that Ctrl-C ended is no FAIL"
    assert (found.missing, found.exit_code) == (1, 130)
    text = parity_renderer("text")(found)
    assert "INCONCLUSIVE   It was interrupted: 1 comparison is missing." in text
    assert "1 of 4 comparisons are missing; the same command with --resume goes on with them" in text

    worker.stop_after, worker.computed[:] = None, []
    again = run_suite(SuiteSettings(timeout=9.0), 1, QUIET, resume=True)
    assert worker.computed == ["documents flex-eager"]
    assert [cell.case for cell in again.cells] == ["causal", "causal", "documents", "documents"]
    assert again.exit_code == 0
    assert again.notes == ("with recipes: flex-autocast", "3 of 4 comparisons are from an earlier run (--resume)")


def test_nothing_is_resumed_that_was_not_asked_for_or_does_not_fit(worker):
    run_suite(SuiteSettings(), 1, QUIET)
    for settings, resume in ((SuiteSettings(), False), (SuiteSettings(seed=1), True)):
        worker.computed[:] = []
        run_suite(settings, 1, QUIET, resume)
        assert len(worker.computed) == 4
    worker.computed[:], worker.environment = [], {"torch": "2.15.0", "device": "cpu"}
    run_suite(SuiteSettings(), 1, QUIET, resume=True)
    assert len(worker.computed) == 4, "another torch"


def test_a_changed_target_is_computed_again(worker, tmp_path):
    file = tmp_path / "mine.py"
    settings = SuiteSettings(target="mine.py", path=str(file), attr="attention")
    file.write_text("def attention(q, k, v, mask_mod=None, score_mod=None): ...", encoding="utf-8")
    run_suite(settings, 1, QUIET)
    worker.computed[:] = []
    run_suite(settings, 1, QUIET, resume=True)
    assert worker.computed == []
    file.write_text("def attention(q, k, v, mask_mod=None, score_mod=None): pass", encoding="utf-8")
    run_suite(settings, 1, QUIET, resume=True)
    assert len(worker.computed) == 4


def test_a_file_that_was_cut_off_gives_what_is_whole(tmp_path):
    path = tmp_path / "cells.jsonl"
    cell = Cell("causal", "mha", "float32", "forward", "sdpa-math", "FAIL", 0.5, 1e-6, "it differs")
    first = kept.Kept(path, False)
    assert first.begin({"torch": "2.13.0"}) == []
    first.add(cell, ["a"])
    first.add(cell, [])
    first.close()
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    assert kept.Kept(path, True).begin({"torch": "2.13.0"}) == [(cell, ["a"])]
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps({"cell": {"case": "causal"}, "recipes": []})
    path.write_text("\n".join(lines), encoding="utf-8")
    assert kept.Kept(path, True).begin({"torch": "2.13.0"}) == []
    assert kept.Kept(None, True).begin({}) == []
