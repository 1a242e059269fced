"""Baselines, configuration and cache entries, changed at random; what may come of each is asked here, too."""

from __future__ import annotations

import datetime
import random
import zipfile
from pathlib import Path

import baseline_mutations
import test_cache

from compile_doctor.capture.load import load_capture
from compile_doctor.errors import DoctorError
from compile_doctor.gate import baseline, baseline_files, decide
from compile_doctor.gate import cache as cache_module
from compile_doctor.gate.config import Configuration, read_configuration
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.report.make import make_report
from tests.fuzz.captures import EVIDENCE

TODAY = datetime.date(2026, 11, 21)
TEXT = """\
[tool.compile-doctor]
baseline-dir = ".compile-doctor"
owners = ["mine", "dependency"]
jobs = 2
cache = false

[[tool.compile-doctor.targets]]
name = "gpt"
target = "model.py"
tokens = 1024
timeout = 60.0
memory-limit = "8GB"
require-fused = true
max-compile-seconds = 30.0
max-peak-bytes = 1000000

[[tool.compile-doctor.waivers]]
code = "CD101"
place = "model.py"
reason = "known"
expires = 2027-01-31
target = "gpt"
"""


class Baselines:
    """A run that is worse than its baseline is never a pass, whatever the baseline's file holds."""

    kinds = tuple(baseline_mutations.MUTATIONS)

    def __init__(self, place: Path) -> None:
        names = ("dense", "dense--a-third-dense-call")
        self.same, self.worse = (load_capture(EVIDENCE / "mutations" / f"{name}.zip") for name in names)
        self.configuration = Configuration(
            place / "pyproject.toml", place / "baselines", (GateTarget("vit", "model.py"),)
        )
        entry = baseline.snapshot("vit", make_report(self.same))
        self.path = baseline_files.path_of(self.configuration.baseline_dir, "vit", entry.torch, entry.device)
        baseline_files.write(self.path, entry)
        self.original = self.path.read_bytes()

    def try_one(self, kind: str, draw: random.Random) -> str:
        self.path.write_bytes(baseline_mutations.MUTATIONS[kind](self.original, draw))
        target = self.configuration.targets[0]
        decide.judge(target, self.same, self.configuration, TODAY)
        outcome = decide.judge(target, self.worse, self.configuration, TODAY)
        return "turned" if outcome.status in ("pass", "better") else outcome.status


class Configurations:
    """It is refused, or it means something: no empty list of owners, no number that lets everything through."""

    kinds = tuple(
        kind for kind in baseline_mutations.MUTATIONS if kind in (
            "a bit", "cut", "without a piece", "a piece twice", "a foreign piece", "other content", "other encoding",
        )
    )  # fmt: skip

    def __init__(self, place: Path) -> None:
        self.folder = place

    def try_one(self, kind: str, draw: random.Random) -> str:
        content = baseline_mutations.MUTATIONS[kind](TEXT.encode(), draw)
        (self.folder / "pyproject.toml").write_bytes(content)
        try:
            found = read_configuration(self.folder)
        except DoctorError:
            return "refused"
        sound = found.owners and found.jobs >= 1 and all(waiver.reason.strip() for waiver in found.waivers)
        return "read" if sound and all(0 < one.timeout < 1e7 for one in found.targets) else "turned"


class Entries:
    """An entry of the cache that was changed is no answer."""

    kinds = ("seen.json", "bits of a zip")

    def __init__(self, place: Path) -> None:
        self.here = place
        (place / "model.py").write_text("one")
        (place / "data").mkdir()
        self.cache = test_cache.Cache(place / "cache")
        assert test_cache.keep(self.cache, place, files=("model.py", "data", "missing")) == ""
        self.entry = test_cache.entry_of(place)
        self.whole = self.entry.read_bytes()
        with zipfile.ZipFile(self.entry) as archive:
            self.text = archive.read(cache_module.SEEN)

    def try_one(self, kind: str, draw: random.Random) -> str:
        changed = test_cache.changed(self.text, draw.randrange(1000), draw)
        content = (
            test_cache.packed(self.whole, changed) if kind == "seen.json" else test_cache.flipped(self.whole, draw)
        )
        self.entry.write_bytes(content)
        found = test_cache.find(self.cache)
        return "no answer" if found is None else "turned"
