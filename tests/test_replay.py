"""Replays what eight versions of torch did with every check's programs and the labelled suite; needs no torch."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from helpers import TORCHES as VERSIONS
from packaging.specifiers import SpecifierSet

from benchmarks import labels
from compile_doctor.capture import load_capture
from compile_doctor.checks import own_checks
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

HERE = Path(__file__).parent
EVIDENCE = HERE / "evidence"
PROGRAMS = labels.programs(HERE / "programs")
ON = {path: labels.read(path).recorded for path in PROGRAMS}
RECORDED = [(version, path) for version in VERSIONS for path in PROGRAMS if labels.within(ON[path], version)]
GUARDED = ("graph_breaks", "recompiles", "graphs", "frames_skipped")


def _plain(text: str) -> str:
    return " ".join(text.split())


def replay(version: str, name: str):
    return make_report(load_capture(EVIDENCE / version / f"{name}.zip"))


def test_every_torch_of_the_makefile_is_recorded():
    recorded = {path.name for path in EVIDENCE.iterdir() if path.is_dir() and re.fullmatch(r"[\d.]+", path.name)}
    assert recorded == set(VERSIONS), "run `make record TORCH=…`, or correct VERSIONS in the Makefile"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_program_is_recorded(version):
    recorded = {path.stem for path in (EVIDENCE / version).glob("*.zip")}
    programs = {path.stem.replace("_", "-") for on, path in RECORDED if on == version}
    checks = {
        f"{check.code.lower()}-{kind}"
        for check in own_checks()
        if check.fires and not check.device
        for kind in ("fires", "silent")
    }
    assert recorded == programs | checks


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "check", [check for check in own_checks() if check.fires and not check.device], ids=lambda check: check.code
)
def test_check_fires_and_is_silent(version, check):
    fired = {finding.code for finding in replay(version, f"{check.code.lower()}-fires").findings}
    silent = {finding.code for finding in replay(version, f"{check.code.lower()}-silent").findings}
    assert (check.code in fired) == labels.within(SpecifierSet(check.versions), version)
    assert check.code not in silent


@pytest.mark.parametrize(("version", "program"), RECORDED, ids=lambda one: getattr(one, "stem", one))
def test_program_is_labelled_right(version, program):
    label = labels.read(program)
    report = replay(version, program.stem.replace("_", "-"))
    expected = Counter((one.code, one.file.name if one.line else None, one.line) for one in label.expected(version))
    anywhere = {code for code, _, line in expected if line is None}
    found: Counter[tuple[str, str | None, int | None]] = Counter()
    for finding in report.findings:
        place = finding.location if finding.code not in anywhere else None
        found[finding.code, Path(place.file).name if place else None, place.line if place else None] += 1
    assert found == expected
    attention = {(Path(entry.location.file).name, entry.location.line): entry.verdict for entry in report.attention}
    assert attention == label.verdicts(version)
    stated = label.summary(version)
    assert {key: report.summary[key] for key in GUARDED if key in stated} == {
        key: int(stated[key]) for key in GUARDED if key in stated
    }
    for words in label.words:
        if labels.within(words.scope, version):
            texts = [_plain(f"{one.message} {one.fix}") for one in report.findings if one.code == words.code]
            assert any(_plain(words.text) in text for text in texts) == words.wanted, (words, texts)
    assert stated.get("verdict", report.verdict) == report.verdict
    assert int(stated.get("exit", exit_code(report, "error"))) == exit_code(report, "error")


@pytest.mark.parametrize("version", VERSIONS)
def test_sources_of_evidence_agree(version):
    """The trace, the loggers and Dynamo's counters say the same, and no record is unknown."""
    for path in sorted((EVIDENCE / version).glob("*.zip")):
        report = make_report(load_capture(path))
        assert not report.disagreements, path.name
        assert not report.unknown_events, path.name
        assert not report.notes, path.name


def test_no_recording_names_a_machine():
    for path in EVIDENCE.rglob("*.zip"):
        evidence = load_capture(path)
        files = {frame.file for item in evidence.breaks for frame in item.stack} | {
            c.file for c in evidence.compilations
        }
        assert all(file.startswith(("/repo/", "/venv/", "/usr/lib/", "/tmp/", "<")) for file in files), (path, files)


MACHINE = re.compile(rb"/work/main|/tmp/wt|/root/")


def test_no_byte_of_a_recording_names_a_machine():
    for path in EVIDENCE.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                found = MACHINE.search(archive.read(name))
                assert found is None, (path, name, found)


H100 = {
    "backward": (0, ["fused"]),
    "disabled-fits": (1, ["dense"]),
    "disabled": (1, ["dense"]),
    "float8-linear": (0, ["fused"]),
    "float8-query": (1, []),
    "gpt-flex-training": (0, ["fused"]),
    "gpt-training": (0, ["fused"]),
    "gqa": (0, ["fused"]),
    "graphs-inference": (0, ["fused"]),
    "graphs-overwritten": (1, ["unverified"]),
    "graphs-replayed": (0, ["unverified"]),
    "graphs-training": (0, ["fused"]),
    "isolated": (0, ["fused"]),
    "sdpa-cudnn": (0, ["fused"]),
    "sdpa-efficient": (0, ["fused"]),
    "sdpa-flash": (0, ["fused"]),
    "sdpa-math": (1, ["dense"]),
    "sliding-window": (0, ["fused"]),
}
"""What the tests marked `gpu` recorded on an NVIDIA H100 80GB, with torch 2.11.0+cu130: exit code and verdicts.

`graphs-overwritten` kept its gradients from call to call, and `graphs-replayed` measured memory while CUDA graphs were replayed.
"""
ON_A_GPU = [check for check in own_checks() if check.device == "cuda"]


def test_every_recording_of_the_gpu_is_named():
    checks = {f"{check.code.lower()}-{kind}" for check in ON_A_GPU for kind in ("fires", "silent")}
    assert {path.stem for path in (EVIDENCE / "2.11.0+cu130-h100").glob("*.zip")} == H100.keys() | checks


@pytest.mark.parametrize("check", ON_A_GPU, ids=lambda check: check.code)
def test_a_check_that_needs_a_gpu_fires_and_is_silent_there(check):
    fired, silent = (replay("2.11.0+cu130-h100", f"{check.code.lower()}-{kind}") for kind in ("fires", "silent"))
    assert check.code in {finding.code for finding in fired.findings}
    assert check.code not in {finding.code for finding in silent.findings}
    assert {graph.state for graph in silent.cuda_graphs} == {"captured"}


@pytest.mark.parametrize("name", H100)
def test_the_recordings_of_a_gpu_give_what_they_gave(name):
    evidence = load_capture(EVIDENCE / "2.11.0+cu130-h100" / f"{name}.zip")
    report = make_report(evidence)
    assert (exit_code(report, "error"), [entry.verdict for entry in report.attention]) == H100[name]
    assert report.environment["gpu"] == "NVIDIA H100 80GB HBM3" and not report.missing
    assert not (evidence.damage or evidence.lost)
    if "fused" in H100[name][1]:
        assert all(0 < entry.peak_bytes < entry.dense_bytes for entry in report.attention)
