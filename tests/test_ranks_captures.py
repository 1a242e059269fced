"""Captures of several machines, digests, and many ranks: made from recordings of programs with ranks; needs no torch."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, run_doctor

from compile_doctor.capture import load_capture, parallel, ranks
from compile_doctor.capture.digest import write_digest
from compile_doctor.capture.many import load_captures
from compile_doctor.capture.members import SEAL, Members
from compile_doctor.capture.reading import encode
from compile_doctor.capture.seal import make_seal
from compile_doctor.errors import CaptureError
from compile_doctor.render import json_format, text_format
from compile_doctor.report.make import make_report

RECORDED = Path(__file__).parent / "evidence" / "ranks"


def unpacked(name, to):
    with zipfile.ZipFile(RECORDED / f"{name}.zip") as archive:
        archive.extractall(to)
    return to


def sealed(folder):
    (folder / SEAL).unlink(missing_ok=True)
    (folder / SEAL).write_bytes(encode(make_seal(Members(folder))))
    return folder


def machine(name, kept, to):
    """The part of a recording that one machine would have: only some ranks."""
    folder = unpacked(name, to)
    gone = []
    for file in folder.glob("process-*.jsonl"):
        found = re.search(r'"ranked", "who": \{"rank": (\d+)', file.read_text())
        if found and int(found[1]) not in kept:
            gone.append(file.stem.removeprefix("process-"))
            file.unlink()
    for file in folder.glob("trace/*.log"):
        if any(f" {process} torch" in file.read_text(errors="replace")[:200] for process in gone):
            file.unlink()
    return sealed(folder)


def without_hosts(report):
    return re.sub(r"[^\n]*\.zip[^\n]*", "", text_format.render(report))


# ---------------------------------------------------------------- several machines


def test_captures_of_two_machines_are_one_run(tmp_path):
    whole = make_report(load_capture(RECORDED / "lengths-on-ranks-1-to-3.zip"))
    parts = [machine("lengths-on-ranks-1-to-3", kept, tmp_path / str(kept[0])) for kept in ((0, 1), (2, 3))]
    both = make_report(load_captures(parts))
    assert both.ranks.seen == (0, 1, 2, 3)
    assert [(one.code, one.ranks) for one in both.findings] == [(one.code, one.ranks) for one in whole.findings]
    assert both.verdict == whole.verdict == "healthy"


def test_one_machine_says_which_ranks_it_does_not_have(tmp_path):
    report = make_report(load_capture(machine("lengths-on-ranks-1-to-3", (0, 1), tmp_path / "a")))
    assert any("ranks 2, 3 of 4 not in this capture" in note for note in report.notes)
    assert "Ranks  ranks 0, 1 of 4 on node0" in text_format.render(report)


def test_a_rank_cannot_be_on_two_machines(tmp_path):
    parts = [machine("lengths-on-ranks-1-to-3", (0, 1), tmp_path / name) for name in "ab"]
    with pytest.raises(CaptureError, match="both have rank 0, 1"):
        load_captures(parts)


def test_captures_of_two_runs_are_refused():
    with pytest.raises(CaptureError, match="are of different launches"):
        load_captures([RECORDED / "same-lengths.zip", RECORDED / "lengths-on-rank-1.zip"])
    with pytest.raises(CaptureError, match="has no ranks"):
        load_captures([RECORDED / "same-lengths.zip", RECORDED.parent / "2.13.0" / "cd101-fires.zip"])


# ---------------------------------------------------------------- digests


@pytest.mark.parametrize(
    "name", ["lengths-on-ranks-1-to-3", "same-fsdp-and-tensor-parallel", "killed-on-rank-1", "stuck-on-rank-1"]
)
def test_the_report_of_a_digest_is_that_of_the_capture(name, tmp_path):
    capture = RECORDED / f"{name}.zip"
    write_digest(capture, tmp_path / "digest")
    before, after = (make_report(load_capture(path)) for path in (capture, tmp_path / "digest"))
    assert json_format.render(before) == json_format.render(after)


def test_a_digest_has_the_files_of_one_rank_of_each_group(tmp_path):
    before, after = write_digest(RECORDED / "same-fsdp-and-tensor-parallel.zip", tmp_path / "digest")
    assert len(list((tmp_path / "digest" / "trace").iterdir())) == 1
    assert len(json.loads((tmp_path / "digest" / "ranks.json").read_text())["ranks"]) == 4
    assert after < before / 2


def test_digests_of_machines_are_read_together(tmp_path):
    parts = []
    for kept in ((0, 1), (2, 3)):
        write_digest(machine("lengths-on-ranks-1-to-3", kept, tmp_path / f"m{kept[0]}"), tmp_path / f"d{kept[0]}")
        parts.append(tmp_path / f"d{kept[0]}")
    found = [(one.code, one.ranks) for one in make_report(load_captures(parts)).findings]
    whole = make_report(load_capture(RECORDED / "lengths-on-ranks-1-to-3.zip"))
    assert found == [(one.code, one.ranks) for one in whole.findings]


def test_a_digest_needs_ranks_an_unchanged_capture_and_an_empty_folder(tmp_path):
    with pytest.raises(CaptureError, match="has no ranks"):
        write_digest(RECORDED.parent / "2.13.0" / "cd101-fires.zip", tmp_path / "a")
    changed = unpacked("same-lengths", tmp_path / "b")
    next(changed.glob("trace/*.log")).write_text("")
    with pytest.raises(CaptureError, match="is damaged"):
        write_digest(changed, tmp_path / "c")
    with pytest.raises(CaptureError, match="is not empty"):
        write_digest(RECORDED / "same-lengths.zip", changed)


# ---------------------------------------------------------------- many ranks


def many(to, count, odd=(), distinct=False):
    """Traces of many ranks, made from those of the two of a recording; the second does more than the first."""
    source = unpacked("lengths-on-rank-1", to / "source")
    traces = {
        int(re.search(rb'"rank": (\d)', one.read_bytes())[1]): one.read_bytes() for one in source.glob("trace/*.log")
    }
    pids = {rank: re.match(rb"V\d{4} \S+ (\d+) ", text)[1] for rank, text in traces.items()}
    folder = to / "many"
    folder.mkdir()
    for rank in range(count):
        kind = int(rank in odd or distinct)
        text = traces[kind].replace(b" %b torch" % pids[kind], b" %d torch" % (10_000 + rank))
        text = text.replace(b'"rank": %d' % kind, b'"rank": %d' % rank)
        text = text.replace(b"actual 12", b"actual %d" % (100 + rank)) if distinct else text
        (folder / f"dedicated_log_torch_trace_rank_{rank}_x.log").write_bytes(text)
    return folder


def test_the_odd_ranks_of_many_are_found(tmp_path):
    report = make_report(load_capture(many(tmp_path, 200, odd=(7, 64, 65))))
    assert report.ranks.world_size == 200
    assert {row.ranks for row in report.ranks.rows if len(row.ranks) < 100} == {(7, 64, 65)}
    assert [one.ranks for one in report.findings if one.code == "CD803"] == [(7, 64, 65)]


def test_processes_read_what_one_would(tmp_path, monkeypatch):
    folder = many(tmp_path, 20, odd=(3,))
    alone = json_format.render(make_report(load_capture(folder)))
    started = []
    real = parallel._started
    monkeypatch.setattr(parallel, "_started", lambda share: started.append(share) or real(share))
    monkeypatch.setattr(parallel, "EACH", 10)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)
    assert json_format.render(make_report(load_capture(folder))) == alone
    assert len(started) == 1
    monkeypatch.setattr(parallel, "_started", lambda share: None)
    assert json_format.render(make_report(load_capture(folder))) == alone, "a share without a process is read here"


def test_ranks_that_differ_only_in_sizes_share_one_evidence_if_there_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "MOST_GROUPS", 3)
    evidence = load_capture(many(tmp_path, 12, distinct=True))
    assert len(evidence.ranks.groups) == 12
    assert sum(group.evidence is not None for group in evidence.ranks.groups) == 3
    report = make_report(evidence)
    (found,) = [one for one in report.findings if one.code == "CD201"]
    assert found.ranks == tuple(range(12))
    assert not report.ranks.diverge
    assert all(row.figures for row in report.ranks.rows)


# ---------------------------------------------------------------- on a cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes of Ray, each with a folder of its own in LOCAL_SCRATCH and the captures of two ranks there."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'compile-doctor[ray]'")
    from ray.cluster_utils import Cluster

    root = tmp_path_factory.mktemp("nodes")
    for name, kept in (("a", (0, 1)), ("b", (2, 3))):
        machine("lengths-on-ranks-1-to-3", kept, root / name / "run1")
    settings = {"num_cpus": 1, "object_store_memory": 100 << 20}
    made = Cluster(initialize_head=True, head_node_args={**settings, "env_vars": {"LOCAL_SCRATCH": str(root / "a")}})
    try:
        made.add_node(**settings, env_vars={"LOCAL_SCRATCH": str(root / "b")})
        made.wait_for_nodes()
        yield made.address, root
    finally:
        made.shutdown()


def on_ray(address, *patterns):
    done = run_doctor(
        ROOT, "report", "--format", "json", "--ray", address, *patterns, timeout=200,
        env={"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"},
    )  # fmt: skip
    return done, json.loads(done.stdout) if done.stdout else None


def test_each_node_reads_what_it_holds(cluster):
    address, root = cluster
    done, found = on_ray(address, "$LOCAL_SCRATCH/run*")
    assert found is not None, done.stderr
    whole = json.loads(json_format.render(make_report(load_captures([root / "a" / "run1", root / "b" / "run1"]))))
    assert found["ranks"]["seen"] == "0-3"
    assert (found["findings"], found["ranks"], found["verdict"]) == (
        whole["findings"],
        whole["ranks"],
        whole["verdict"],
    )


def test_a_capture_that_two_nodes_share_is_read_once(cluster):
    address, root = cluster
    done, found = on_ray(address, f"{root}/*/run1")
    assert found is not None, done.stderr
    assert found["ranks"]["seen"] == "0-3"


def test_a_cluster_without_captures_is_an_error(cluster):
    address, root = cluster
    done, found = on_ray(address, f"{root}/nothing-*")
    assert (done.returncode, found) == (2, None)
    assert "matches" in done.stderr and "on any of 2 nodes" in done.stderr


def test_a_capture_that_a_node_cannot_read_is_no_pass(cluster):
    address, root = cluster
    (root / "b" / "broken").mkdir()
    done, found = on_ray(address, f"{root}/*/run1", f"{root}/b/broken")
    assert found["verdict"] == "inconclusive", done.stderr
    assert any("contains neither a capture nor a trace" in text for text in found["missing"])
