"""Captures: written, read again from a directory and a zip, damaged, and what is none."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from helpers import MODEL, SOURCE, graph, interned, metrics, one_break, seal, start, write_capture

from compile_doctor.capture import CaptureDirectory, load, load_capture, store
from compile_doctor.capture.members import Stream
from compile_doctor.capture.schema import Member
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child
from compile_doctor.render.text_format import render
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code


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
    directory = CaptureDirectory(tmp_path / "deep" / "run1", Asked("model.py", str(tmp_path)))
    (directory.path / "trace" / "a.log").write_bytes(one_break().replace(MODEL.encode(), str(model).encode()))
    evidence = directory.close((Child("diagnose", ended="timeout", seconds=1.0),))
    assert evidence.sources == {str(model): SOURCE}
    assert evidence.children[0].ended == "timeout" and evidence.damage == ()
    assert load_capture(directory.path) == evidence
    model.write_text("something else by now")
    assert load_capture(directory.path).sources == {str(model): SOURCE}


def test_an_earlier_capture_is_replaced_and_anything_else_is_left_alone(capture, tmp_path):
    CaptureDirectory(capture, Asked("x"))
    assert not list(capture.glob("process-*.jsonl")) and not list(capture.glob("trace/*.log"))
    assert not (capture / "seal.json").exists()
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("years of work")
    with pytest.raises(CaptureError, match="is not a capture"):
        CaptureDirectory(other, Asked("x"))
    assert [entry.name for entry in other.iterdir()] == ["chapter1.tex"]
    (tmp_path / "file").write_text("")
    with pytest.raises(CaptureError, match="cannot be written"):
        CaptureDirectory(tmp_path / "file", Asked("x"))


def test_a_folder_that_is_gone_when_the_children_have_ended(tmp_path):
    directory = CaptureDirectory(tmp_path / "run1", Asked("model.py"))
    shutil.rmtree(directory.path)
    report = make_report(directory.close((Child("diagnose", 0),)))
    assert (report.verdict, exit_code(report, "never")) == ("inconclusive", 3)
    assert "The target may have deleted it" in report.reason


def test_what_was_read_to_decide_about_a_second_child_is_not_read_again_without_one(tmp_path, monkeypatch):
    directory = CaptureDirectory(write_capture(tmp_path / "c"), Asked("model.py"))
    write_capture(directory.path)
    read = []
    monkeypatch.setattr(store, "read_run", lambda *given: read.append(given[2]) or load.read_run(*given))
    first, control = Child("diagnose", 1), Child("control", 0)
    seen = directory.read((first,))
    assert directory.close((first,)).compilations == seen.compilations != []
    assert read == [(first,)]
    directory.close((first, control))
    assert read == [(first,), (first, control)]


def test_a_capture_that_cannot_be_completed_is_reported_and_is_no_pass(tmp_path, monkeypatch):
    directory = CaptureDirectory(write_capture(tmp_path / "c"), Asked("model.py"))
    write_capture(directory.path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CaptureDirectory, "_write", full)
    report = make_report(directory.close((Child("diagnose", 0),)))
    assert [one.code for one in report.findings] == ["CD101"] and exit_code(report, "error") == 3
    assert "it could not be completed: No space left on device" in report.reason


# lost and changed evidence


def healthy(folder: Path) -> Path:
    """One frame, compiled without a break."""
    return write_capture(folder, trace=interned(MODEL, 1) + start() + graph() + metrics())


def everything(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def test_a_whole_capture_is_healthy(tmp_path):
    report = make_report(load_capture(healthy(tmp_path / "c")))
    assert (report.verdict, report.missing) == ("healthy", ())


def test_several_captures_in_one_place_are_told_apart(tmp_path):
    """Artefacts of CI are often zipped together: which of them is meant nobody can know."""
    healthy(tmp_path / "all" / "a")
    write_capture(tmp_path / "all" / "b")
    for place in (tmp_path / "all", zipped(tmp_path / "all", tmp_path / "all.zip")):
        with pytest.raises(CaptureError, match="has 2 captures: a, b") as caught:
            load_capture(place)
        assert caught.value.hint == "Report them one by one."
    shutil.rmtree(tmp_path / "all" / "b")
    assert make_report(load_capture(tmp_path / "all")).verdict == "healthy"
    assert make_report(load_capture(zipped(tmp_path / "all", tmp_path / "one.zip"))).verdict == "healthy"


@pytest.mark.parametrize("make", [healthy, write_capture])
@pytest.mark.parametrize("kind", ["removed", "emptied", "cut", "changed", "added to"])
def test_any_member_that_is_not_what_was_sealed_is_inconclusive_and_named(tmp_path, make, kind):
    """A capture that failed ends with 3, too: what it lacks may have been worse, or the finding's own explanation."""
    for number, name in enumerate(
        file.relative_to(tmp_path / "whole") for file in everything(make(tmp_path / "whole"))
    ):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", folder)
        file = folder / name
        content = file.read_bytes()
        changed = bytes([content[len(content) // 2] ^ 1])
        written = {
            "emptied": b"",
            "cut": content[: len(content) // 2],
            "changed": content[: len(content) // 2] + changed + content[len(content) // 2 + 1 :],
            "added to": content + b"{}\n",
        }
        if kind == "removed":
            file.unlink()
        else:
            file.write_bytes(written[kind])
        report = make_report(load_capture(folder))
        assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3), name
        assert any(name.name in text for text in report.lost), (name, report.lost)
        assert "The capture is damaged" in report.reason


def test_foreign_members_are_named(tmp_path):
    folder = healthy(tmp_path / "c")
    (folder / "process-8.jsonl").write_text('{"event": "note", "text": "all is well"}\n')
    (folder / "trace" / "x.log").write_text("")
    report = make_report(load_capture(folder))
    assert report.verdict == "inconclusive"
    assert [text for text in report.lost if "does not belong to the capture" in text] == [
        "the capture: process-8.jsonl does not belong to the capture",
        "the capture: trace/x.log does not belong to the capture",
    ]


def test_hidden_files_that_tools_leave_are_no_members(tmp_path):
    folder = healthy(tmp_path / "c")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "trace" / "._a.log").write_bytes(b"x")
    assert make_report(load_capture(folder)).verdict == "healthy"


@pytest.mark.parametrize("make", [healthy, write_capture])
def test_a_copy_with_other_line_ends_is_the_same_capture(tmp_path, make):
    folder = make(tmp_path / "c")
    before = load_capture(folder)
    for file in everything(folder):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert load_capture(folder) == before
    assert load_capture(zipped(folder, tmp_path / "c.zip")) == before


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_line_ends_between_two_blocks(block):
    content = b"a\r\nb\r\r\nc\rd\r\n\r"
    stream, found = Stream(io.BytesIO(content), None), b""
    while piece := stream.read(block):
        found += piece
    assert found == b"a\nb\r\nc\rd\n\r"
    assert stream.drain() == Member(len(found), hashlib.sha256(found).hexdigest())


def test_a_link_in_a_capture_is_not_followed(tmp_path):
    folder = healthy(tmp_path / "c")
    secret = tmp_path / "secret.jsonl"
    secret.write_text("hunter2")
    (folder / "process-9.jsonl").symlink_to(secret)
    (folder / "trace" / "self").symlink_to(folder)
    os.mkfifo(folder / "trace" / "fifo.log")
    report = make_report(load_capture(folder))
    assert report.verdict == "inconclusive"
    assert "the capture: process-9.jsonl is a symbolic link" in report.lost
    assert "the capture: trace/fifo.log is not a regular file" in report.lost
    assert "hunter2" not in render(report, 2)


@pytest.mark.parametrize("name", ["/etc/cron.d/x", "../../x.log", "trace\\\\x.log", "C:x.log"])
def test_names_in_a_zip_that_lead_out_of_it_are_refused(tmp_path, name):
    file = zipped(healthy(tmp_path / "c"), tmp_path / "c.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"x")
    report = make_report(load_capture(file))
    assert report.verdict == "inconclusive" and any("points outside of the capture" in text for text in report.lost)


def test_a_member_that_is_there_twice_is_neither(tmp_path):
    file = zipped(write_capture(tmp_path / "c"), tmp_path / "c.zip")
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("trace/dedicated_log_torch_trace_x.log", b"")
    report = make_report(load_capture(file))
    assert report.verdict == "inconclusive" and any("occurs twice" in text for text in report.lost)


def test_a_zip_bomb_is_read_no_further_than_it_may(tmp_path):
    file = zipped(healthy(tmp_path / "c"), tmp_path / "c.zip")
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("process-8.jsonl", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    report = make_report(load_capture(file))
    assert report.verdict == "inconclusive" and any("zip bomb" in text for text in report.lost)


@pytest.mark.parametrize("make", [healthy, write_capture])
def test_a_line_of_events_that_is_cut_off_is_named_and_the_rest_is_kept(tmp_path, make):
    capture = make(tmp_path / "c")
    events = capture / "process-7.jsonl"
    whole = events.read_bytes()
    for cut in range(2, 60):
        events.write_bytes(whole[:-cut])
        seal(capture)
        evidence = load_capture(capture)
        assert evidence.phases["compiled"] == "done"
        assert evidence.lost or evidence.unended
        assert make_report(evidence).verdict != "healthy"


def test_lines_that_mean_nothing_are_named(capture):
    odd = [
        "5",
        "[]",
        '"text"',
        "null",
        "{}",
        "",
        '{"event": 3}',
        '{"event": "phase"}',
        '{"event": "phase", "name": "import", "state": "done", "seconds": NaN}',
        '{"event": "phase", "name": "import", "state": "done", "seconds": 1e999}',
        '{"event": "phase", "name": "import", "state": "done", "seconds": -1}',
        '{"event": "phase", "name": "import", "state": "well"}',
        '{"event": "run", "phase": "compiled", "index": null}',
        '{"event": "run", "phase": "compiled", "index": -1}',
        '{"event": "of-2030"}',
        '{"event": "note", "text": ' + "[" * 100_000,
        "\xff",
    ]
    (capture / "process-8.jsonl").write_text("\n".join(odd) + "\n", encoding="latin-1")
    lost = load_capture(capture).lost
    assert [text.partition(":")[0] for text in lost] == [f"process-8.jsonl, line {n}" for n in range(1, len(odd) + 1)]
    assert any("'of-2030' is unknown: another version wrote it" in text for text in lost)


def test_fewer_events_than_were_written_are_named(capture):
    events = capture / "process-7.jsonl"
    events.write_text("".join(events.read_text().splitlines(True)[1:]))
    seal(capture)
    assert load_capture(capture).lost == ("process-7.jsonl: it has 5 of the 6 events that were written",)


@pytest.mark.parametrize("name", ["capture.json", "sources.json", "seal.json"])
@pytest.mark.parametrize("content", ['{"schema": "compile-do', "", "[1, 2]", "\x00\x00", '{"a": NaN}', "[" * 100_000])
def test_a_damaged_json_file_is_named_and_the_rest_is_read(capture, name, content):
    (capture / name).write_text(content)
    evidence = load_capture(capture)
    assert "CD101" in codes(evidence)
    assert any(text.startswith(name) for text in (*evidence.damage, *evidence.lost))
    assert exit_code(make_report(evidence), "error") == 3


@pytest.mark.parametrize(
    "children", [None, [{}], [None], "x", [{"mode": "diagnose", "exit_code": "0"}], [{"mode": "x"}]]
)
def test_a_manifest_of_an_unexpected_shape_is_named(capture, children):
    manifest = json.loads((capture / "capture.json").read_text())
    (capture / "capture.json").write_text(json.dumps({**manifest, "children": children}))
    seal(capture)
    report = make_report(load_capture(capture))
    assert exit_code(report, "error") == 3
    assert "capture.json cannot be read" in report.reason and "children" in report.reason


def test_a_newer_schema_is_refused(capture):
    (capture / "capture.json").write_text('{"schema": "compile-doctor/capture/3"}')
    with pytest.raises(CaptureError, match="recorded by a newer version of compile-doctor") as caught:
        load_capture(capture)
    assert "Upgrade" in caught.value.hint and caught.value.exit_code == 2


def test_what_is_nobodys_schema_is_refused(capture):
    (capture / "capture.json").write_text('{"schema": "chrome/trace/1"}')
    with pytest.raises(CaptureError, match="is not a capture of compile-doctor"):
        load_capture(capture)


def old(folder: Path, make=write_capture) -> Path:
    """As compile-doctor wrote captures before they were sealed."""
    make(folder)
    (folder / "seal.json").unlink()
    manifest = json.loads((folder / "capture.json").read_text())
    flat = {**manifest["asked"], "doctor": "0.1.0", "options": {}, "children": manifest["children"]}
    (folder / "capture.json").write_text(json.dumps({"schema": "compile-doctor/capture/1", **flat}))
    events = [json.loads(line) for line in (folder / "process-7.jsonl").read_text().splitlines()]
    environment = {"event": "environment", **events[0]["values"]}
    known = [environment, *events[1:-1]]
    (folder / "process-7.jsonl").write_text("".join(json.dumps(event) + "\n" for event in known))
    return folder


def test_an_older_capture_is_read_and_proves_nothing(tmp_path):
    found = load_capture(old(tmp_path / "c"))
    assert codes(found) == ["CD101"] and found.environment["torch"] == "2.13.0+cpu"
    report = make_report(load_capture(old(tmp_path / "d", healthy)))
    assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3)
    assert report.reason.startswith(
        "The capture is damaged: it was recorded by compile-doctor 0.1.0, which did not seal captures"
    )
    assert report.reason.endswith("record it again.")


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
    assert ("CD202", "a trace alone does not show whether the recompile limit was hit") in report.skipped_checks


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
