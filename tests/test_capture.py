"""Captures: written, read again from a directory and a zip, damaged, and what is none."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from helpers import MODEL, SOURCE, interned, one_break, start, write_capture

from compile_doctor.capture import CaptureDirectory, load_capture
from compile_doctor.errors import CaptureError
from compile_doctor.report import make_report


def zipped(folder: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return target


def codes(evidence) -> list[str]:
    return [finding.code for finding in make_report(evidence).findings]


def test_round_trip_of_a_directory_and_of_a_zip(capture, tmp_path):
    evidence = load_capture(capture)
    assert len(evidence.compilations) == 2 and len(evidence.breaks) == 1
    assert evidence.sources == {MODEL: SOURCE}
    assert evidence.environment["torch"] == "2.13.0+cpu"
    assert evidence.children[0].mode == "diagnose" and evidence.notes == ()
    assert load_capture(zipped(capture, tmp_path / "run1.zip")) == evidence


def test_a_zip_made_of_the_directory_itself(capture, tmp_path):
    """`zip -r run1.zip run1` puts everything below `run1/`: what most people send."""
    assert load_capture(zipped(capture, tmp_path / "run1.zip", "run1/")) == load_capture(capture)


def test_the_writing_side(tmp_path):
    model = tmp_path / "model.py"
    model.write_text(SOURCE)
    directory = CaptureDirectory(tmp_path / "deep" / "run1", {"target": "model.py", "cwd": str(tmp_path)})
    (directory.path / "trace" / "a.log").write_bytes(one_break().replace(MODEL.encode(), str(model).encode()))
    evidence = directory.finish(
        [{"mode": "diagnose", "exit_code": None, "signal": None, "ended": "timeout", "seconds": 1.0}]
    )
    assert evidence.sources == {str(model): SOURCE}
    assert evidence.children[0].ended == "timeout"
    assert load_capture(directory.path) == evidence
    model.write_text("something else by now")
    assert load_capture(directory.path).sources == {str(model): SOURCE}


def test_an_earlier_capture_is_replaced_and_anything_else_is_left_alone(capture, tmp_path):
    CaptureDirectory(capture, {"target": "x"})
    assert not list(capture.glob("process-*.jsonl")) and not list(capture.glob("trace/*.log"))
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("years of work")
    with pytest.raises(CaptureError, match="is no capture"):
        CaptureDirectory(other, {})
    assert [entry.name for entry in other.iterdir()] == ["chapter1.tex"]
    (tmp_path / "file").write_text("")
    with pytest.raises(CaptureError, match="cannot be written"):
        CaptureDirectory(tmp_path / "file", {})


def test_a_cut_off_line_of_events_is_noted_and_the_rest_is_kept(capture):
    events = capture / "process-7.jsonl"
    whole = events.read_bytes()
    for cut in range(1, 60):
        events.write_bytes(whole[:-cut])
        evidence = load_capture(capture)
        assert evidence.phases["compiled"] == "done"
        assert len(evidence.notes) == (0 if cut == 1 else 1)


def test_lines_that_mean_nothing_are_noted(capture):
    odd = [
        "5",
        "[]",
        '"text"',
        "null",
        "{}",
        '{"event": 3}',
        '{"event": "phase"}',
        '{"event": "run", "index": null}',
        '{"event": "of-2030"}',
        "\xff",
    ]
    (capture / "process-8.jsonl").write_text("\n".join(odd) + "\n", encoding="latin-1")
    notes = load_capture(capture).notes
    assert len(notes) == len(odd)
    assert any("'of-2030' is of a newer compile-doctor" in note for note in notes)


@pytest.mark.parametrize("name", ["capture.json", "sources.json"])
@pytest.mark.parametrize("content", ['{"schema": "compile-do', "", "[1, 2]", "\x00\x00"])
def test_a_damaged_json_file_is_noted_or_left_out(capture, name, content):
    (capture / name).write_text(content)
    evidence = load_capture(capture)
    assert "CD101" in codes(evidence)
    assert content == "[1, 2]" or any(note.startswith(name) for note in evidence.notes)


@pytest.mark.parametrize("children", [None, [{}], [None], "x", [{"mode": "diagnose"}]])
def test_a_manifest_of_an_unexpected_shape_is_no_mistake_of_ours(capture, children):
    manifest = json.loads((capture / "capture.json").read_text())
    (capture / "capture.json").write_text(json.dumps({**manifest, "children": children}))
    try:
        make_report(load_capture(capture))
    except CaptureError:
        return  # refused in words, which will do as well


def test_a_newer_schema_is_refused(capture):
    (capture / "capture.json").write_text('{"schema": "compile-doctor/capture/2"}')
    with pytest.raises(CaptureError, match="compile-doctor/capture/2") as caught:
        load_capture(capture)
    assert "Upgrade" in caught.value.hint and caught.value.exit_code == 2


def test_what_is_no_capture(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.log").write_text("V no trace of torch's")
    (tmp_path / "file.txt").write_text("no zip")
    zipped(tmp_path / "empty", tmp_path / "empty.zip")
    for name in ("nothing-there", "empty", "other", "file.txt", "empty.zip"):
        with pytest.raises(CaptureError):
            load_capture(tmp_path / name)


def test_a_bare_directory_of_torch_traces(tmp_path):
    (tmp_path / "dedicated_log_torch_trace_rank_0_abc.log").write_bytes(one_break())
    (tmp_path / "dedicated_log_torch_trace_rank_1_def.log").write_bytes(one_break())
    evidence = load_capture(tmp_path)
    assert len(evidence.compilations) == 4 and [item.compilation for item in evidence.breaks] == [0, 2]
    report = make_report(evidence)
    assert report.target == "trace" and report.verdict == "unhealthy"
    assert ("CD202", "a bare trace does not say that the recompile limit was hit") in report.skipped_checks


def test_a_bare_trace_that_is_empty_is_no_pass(tmp_path):
    (tmp_path / "dedicated_log_torch_trace_abc.log").write_bytes(b"")
    assert make_report(load_capture(tmp_path)).verdict == "inconclusive"


def test_a_zip_that_is_damaged(capture, tmp_path):
    whole = zipped(capture, tmp_path / "whole.zip").read_bytes()
    for cut in (1, 30, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.zip").write_bytes(whole[:-cut])
        with pytest.raises(CaptureError):
            load_capture(tmp_path / "cut.zip")


def test_a_zip_with_flipped_bytes_is_never_a_mistake_of_ours(capture, tmp_path):
    whole = zipped(capture, tmp_path / "whole.zip").read_bytes()
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 0x5A
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            make_report(load_capture(tmp_path / "damaged.zip"))
        except CaptureError:
            continue


def test_a_capture_that_moved_still_reads(capture, tmp_path):
    shutil.move(capture, tmp_path / "elsewhere")
    assert codes(load_capture(tmp_path / "elsewhere")) == ["CD101"]


def test_an_empty_trace_directory_in_a_whole_capture(tmp_path):
    evidence = load_capture(write_capture(tmp_path / "c", trace=b""))
    assert codes(evidence) == ["CD105"]


@pytest.mark.parametrize("names", [("a.log", "b.log"), ("b.log", "a.log")])
def test_a_forked_child_writes_a_trace_of_its_own_with_its_parents_file_names(tmp_path, names):
    """torch 2.13: one file per process, but the table of file names is copied by the fork and not written again."""
    parent, child = (tmp_path / f"dedicated_log_torch_trace_{name}" for name in names)
    parent.write_bytes(interned(MODEL, 1, pid=7) + start(pid=7))
    child.write_bytes(start(0, 1, pid=8).replace(b"01:11:35", b"01:11:36"))
    assert [(item.process, item.file) for item in load_capture(tmp_path).compilations] == [("7", MODEL), ("8", MODEL)]
