"""Ranks in captures that are built by hand: who is who, which ranks do the same, where they part, how they ended."""

from __future__ import annotations

import json

import pytest
from helpers import artifact, graph_break, ids, interned, metrics, record, start

from compile_doctor.analysis.ranks.collectives import mismatches
from compile_doctor.analysis.ranks.divergence import parting, uneven, without_callers
from compile_doctor.analysis.ranks.ends import culprit, endings
from compile_doctor.capture.load import load_capture
from compile_doctor.capture.standing import read_standing
from compile_doctor.capture.trace.graph_text import find_collectives, read_graph_text
from compile_doctor.model.ranks import Step, named, ranges
from compile_doctor.report.make import make_report

MODEL = "/work/model.py"
GRAPH = """class GraphModule(torch.nn.Module):
    def forward(self, L_x_: "f32[{size}][1]cpu"):
        l_x_ = L_x_

        # File: /work/model.py:16 in g, code: x = x * 2
        x: "f32[{size}][1]cpu" = l_x_ * {factor};  l_x_ = None
{calls}        return (x,)
"""
CALL = '        tensor: "f32[3][1]cpu" = torch.ops._c10d_functional.{}(x, {});  x = None\n'


def text(size=3, factor=2, *calls):
    return GRAPH.format(size=size, factor=factor, calls="".join(CALL.format(*call) for call in calls))


def trace(pid, rank, *parts, payload=None, begun=None, seconds=0.5):
    graph = record(
        {"dynamo_output_graph": {"sizes": {}}, "rank": rank, **ids(0), "has_payload": "0"}, payload or text(), pid
    )
    times = {"entire_frame_compile_time_s": seconds, "start_time_us": None if begun is None else int(begun * 1e6)}
    return b"".join([interned(MODEL, 1, pid=pid), start(pid=pid), *parts, graph, metrics(pid=pid, **times)])


def folder(tmp_path, traces):
    tmp_path.mkdir(exist_ok=True)
    for rank, content in traces.items():
        (tmp_path / f"dedicated_log_torch_trace_rank_{rank}_x{rank}.log").write_bytes(content)
    return tmp_path


def capture(tmp_path, ranks, extra=()):
    """An unsealed capture: {rank: (trace, further events)}."""
    (tmp_path / "trace").mkdir(parents=True)
    asked = {"target": "torchrun train.py", "command": ["torchrun"]}
    child = {"mode": "command", "exit_code": 1, "ended": "exited"}
    manifest = {"schema": "compile-doctor/capture/2", "asked": asked, "children": [child]}
    (tmp_path / "capture.json").write_text(json.dumps(manifest))
    for rank, (content, events) in ranks.items():
        pid = 100 + rank
        (tmp_path / "trace" / f"{pid}.log").write_bytes(content)
        who = {
            "rank": rank,
            "world_size": len(ranks),
            "local_rank": rank,
            "local_size": len(ranks),
            "host": "node0",
            "launch": "a",
        }
        lines = [{"event": "ranked", "who": who}, *events]
        (tmp_path / f"process-{pid}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for pid, events in extra:
        (tmp_path / f"process-{pid}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in events))
    return tmp_path


def step(function="f", label="0/0", **values):
    given = {
        "file": MODEL, "line": 5, "function": function, "label": label, "stack": (), "reasons": (), "breaks": (), "finished": True,
        "graph": "a", "operators": (), "sizes": (), "collectives": (), "lines": (), "cache": (), "settings": ("", ""),
    }  # fmt: skip
    return Step(**{**given, **values})


# ---------------------------------------------------------------- who is who


def test_ranks_in_words():
    assert ranges([7, 0, 1, 2, 3]) == "0-3, 7"
    assert ranges([0, 1]) == "0, 1"
    assert named([1], 2) == "rank 1"
    assert named([0, 1], 2) == "all 2 ranks"
    assert named([4, 5, 6], 8) == "ranks 4-6"
    assert named(range(0, 1024, 2), 1024) == "512 of 1,024 ranks (0, 2, 4, …)"


def test_ranks_are_read_from_the_names_of_traces(tmp_path):
    evidence = load_capture(folder(tmp_path, {0: trace(10, 0), 1: trace(11, 1)}))
    assert [one.number for one in evidence.ranks.all] == [0, 1]
    assert [one.group for one in evidence.ranks.all] == [0, 0]
    assert len(evidence.compilations) == 1, "ranks that did the same share one's evidence"


def test_a_rank_is_read_from_the_records_if_the_name_has_none(tmp_path):
    for rank in (0, 1):
        (tmp_path / f"dedicated_log_torch_trace_{rank}.log").write_bytes(trace(10 + rank, rank))
    assert [one.number for one in load_capture(tmp_path).ranks.all] == [0, 1]


def test_a_single_rank_is_a_plain_run(tmp_path):
    evidence = load_capture(folder(tmp_path, {0: trace(10, 0)}))
    assert not evidence.ranks
    assert make_report(evidence).ranks is None


def test_one_of_several_ranks_is_not_all(tmp_path):
    made = capture(tmp_path / "c", {0: (trace(100, 0), []), 1: (trace(101, 1), [])})
    (made / "process-101.jsonl").unlink()
    (made / "trace" / "101.log").unlink()
    report = make_report(load_capture(made))
    assert report.ranks.seen == (0,)
    assert report.ranks.world_size == 2
    assert any("local rank 1 of node0 left no evidence" in text for text in report.missing)


def test_what_only_differs_by_process_is_the_same(tmp_path):
    one = trace(10, 0, artifact("recompile_reasons", "[\"0/0: ___check_obj_id(L['x'], 140234567890123)\"]", 0, 1, 10))
    two = trace(11, 1, artifact("recompile_reasons", "[\"0/0: ___check_obj_id(L['x'], 140234567899999)\"]", 0, 1, 11))
    assert len(load_capture(folder(tmp_path, {0: one, 1: two})).ranks.groups) == 1


# ---------------------------------------------------------------- graphs and collectives


def test_a_graph_is_the_same_with_other_sizes_and_numbers():
    assert read_graph_text(text(3, 2).encode()).digest == read_graph_text(text(99, 7).encode()).digest
    assert read_graph_text(text(3).encode()).digest != read_graph_text(text().replace("*", "+").encode()).digest
    assert read_graph_text(text(3).encode()).sizes == ("L_x_: f32[3][1]cpu",)


def test_a_graph_is_another_one_with_another_dtype():
    plain = text(3)
    half = plain.replace('x: "f32[3]', 'x: "bf16[3]')
    assert read_graph_text(plain.encode()).digest != read_graph_text(half.encode()).digest


def test_operators_have_their_line():
    (one,) = read_graph_text(text(3, 2).encode()).operators
    assert (one.file, one.line, one.dtype, one.text, one.plain) == (MODEL, 16, "f32", "l_x_ * 2", "l_x_ * 0")


def test_collectives_are_read_without_the_names_of_tensors():
    payload = text(
        3, 2, ("all_reduce", "'sum', '0'"), ("all_gather_into_tensor.default", "2, '0'"), ("wait_tensor", "x")
    ).encode()
    assert find_collectives(payload) == ("all_reduce('sum', '0')", "all_gather_into_tensor(2, '0')")


def test_groups_of_some_ranks_have_other_names_elsewhere():
    one = [step(collectives=("all_reduce('sum', '3')", "all_reduce('sum', '1')"))]
    two = [step(collectives=("all_reduce('sum', '4')", "all_reduce('sum', '2')"))]
    assert not list(mismatches(one, two))
    other = [step(collectives=("all_reduce('sum', '4')", "all_reduce('sum', '4')"))]
    assert [found.at for found in mismatches(one, other)] == [1]


def test_a_missing_call_of_all_ranks_can_hang():
    (found,) = mismatches([step(collectives=("all_reduce('sum', '0')",))], [step()])
    assert (found.usual, found.other, found.all_ranks) == (("all_reduce('sum', '0')",), (), True)


def test_collectives_that_a_break_moved_to_the_next_graph_are_the_same():
    whole = [step(collectives=("a('0')", "b('0')"))]
    broken = [
        step(collectives=("a('0')",), breaks=((MODEL, 7, "print"),)),
        step("torch_dynamo_resume_in_f_at_7", "1/0", collectives=("b('0')",)),
    ]
    assert not list(mismatches(whole, broken))


def test_a_function_that_was_given_up_is_not_compared():
    assert not list(mismatches([step(collectives=("a('0')",))], [step(graph="", breaks=((MODEL, 7, "print"),))]))


# ---------------------------------------------------------------- where they part


@pytest.mark.parametrize(
    ("other", "kind", "extra"),
    [
        ([step(breaks=((MODEL, 7, "print"),)), step("torch_dynamo_resume_in_f_at_7", "1/0")], "break", "other"),
        ([step(graph="b")], "graph", ""),
        ([step(), step("g", "1/0")], "frame", "other"),
        ([], "frame", "usual"),
        ([step(graph="")], "graph", "usual"),
        ([step(finished=False)], "error", "usual"),
    ],
)
def test_parting(other, kind, extra):
    found = parting([step()], other)
    assert (found.kind, found.extra) == (kind, extra)


def test_another_order():
    found = parting([step("f"), step("g", "1/0")], [step("g"), step("f", "1/0")])
    assert (found.kind, found.function, found.at) == ("order", "g", 0)


def test_two_classes_with_a_forward_are_two_functions():
    found = parting([step("forward", line=6)], [step("forward", line=12, graph="b")])
    assert (found.kind, found.line, found.extra) == ("frame", 6, "usual")
    found = parting(
        [step("forward", line=6), step("forward", "1/0", line=12)],
        [step("forward", line=12), step("forward", "1/0", line=6)],
    )
    assert found.kind == "order"


def test_recompilations_are_counted_apart():
    again = step(label="0/1", reasons=("0/0: tensor 'x' size mismatch at index 0. expected 3, actual 4",))
    assert parting([step()], [step(), again]) is None
    (found,) = uneven([step()], [step(), again, again])
    assert (found.usual, found.other) == (0, 2)
    assert not list(uneven([step(), again], [step(), again]))


def test_a_wrapper_of_torch_that_recompiles_for_the_same_size_is_not_another_finding():
    sizes = "0/0: tensor '{}' size mismatch at index 0. expected 8, actual {}"
    mine = step("forward", "4/1", reasons=(sizes.format("x", 6),))
    wrapper = step("inner", "0/1", file="/torch/_dynamo/external_utils.py", reasons=(sizes.format("args[0]", 6),))
    other = step("f", "1/1", file="/torch/nn/x.py", reasons=(sizes.format("y", 5),))
    first = [step("forward", "4/0"), step("inner", file=wrapper.file), step("f", "1/0", file=other.file)]
    found = list(uneven(first, [*first, mine, wrapper, other]))
    assert [one.function for one in found] == ["forward", "inner", "f"]
    assert [one.function for one in without_callers(found, lambda file: "/torch/" in file)] == ["forward", "f"]
    assert list(without_callers(found[1:], lambda file: "/torch/" in file)) == found[1:]


def test_a_break_on_one_rank_is_tagged_and_named(tmp_path):
    report = make_report(
        load_capture(folder(tmp_path, {0: trace(10, 0), 1: trace(11, 1, graph_break(pid=11)), 2: trace(12, 2)}))
    )
    broken, parted = (next(one for one in report.findings if one.code == code) for code in ("CD101", "CD801"))
    assert broken.ranks == parted.ranks == (1,)
    assert broken.message.startswith("On rank 1 only: ")
    assert parted.message.startswith("Rank 1 breaks the graph here, and ranks 0, 2 do not.")


# ---------------------------------------------------------------- how they ended

FAILED = """
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-27_19:56:22
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : {zero}
  error_file: <N/A>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-27_19:56:22
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : {one}
  error_file: <N/A>
"""
STOPPED = "-15 (pid: 100)  (SIGTERM)"


def raised(kind, message):
    link = {"type": kind, "message": message, "stack": [[MODEL, 9, "step", "raise"]]}
    return {"event": "failure", "chain": [link], "text": f"{kind}: {message}", "phase": "compiled", "attention": None}


def launcher(zero, one):
    found = raised(
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError", FAILED.format(zero=zero, one=one)
    )
    return [(90, [found, {"event": "end", "events": 1}])]


def test_the_rank_that_failed_by_itself_is_named(tmp_path):
    lost = raised("RuntimeError", "Connection closed by peer [127.0.0.1]:1234")
    own = raised("ValueError", "bad data")
    ranks = {0: (trace(100, 0), [lost]), 1: (trace(101, 1), [own])}
    evidence = load_capture(capture(tmp_path / "c", ranks, launcher("1 (pid: 100)", "1 (pid: 101)")))
    assert culprit(endings(evidence)).rank.number == 1
    (found,) = [one for one in make_report(evidence).findings if one.code == "CD806"]
    assert "Rank 1 failed: ValueError: bad data (model.py:9)" in found.title
    assert "Rank 0 then lost the connection" in found.message


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV"])
def test_a_rank_that_a_signal_ended_is_known_from_the_launcher(tmp_path, signal):
    number = {"SIGKILL": 9, "SIGSEGV": 11}[signal]
    ranks = {0: (trace(100, 0), []), 1: (trace(101, 1), [])}
    evidence = load_capture(capture(tmp_path / "c", ranks, launcher(STOPPED, f"-{number} (pid: 101)  ({signal})")))
    (found,) = [one for one in make_report(evidence).findings if one.code == "CD806"]
    assert f"Rank 1 failed: it was ended by {signal}" in found.title
    assert "Rank 0 was stopped after that" in found.message


def test_the_stack_of_the_main_thread_is_read():
    text = (
        "main 0x7f02\nTimeout (0:00:12)!\nThread 0x00007f01 (most recent call first):\n"
        '  File "/a/threading.py", line 1 in wait\n\nThread 0x00007f02 (most recent call first):\n'
        '  File "/a/torch/distributed/c10d.py", line 5 in barrier\n  File "/work/train.py", line 14 in step\n'
        '  File "/x/compile_doctor/recipes/imports.py", line 3 in exec_module\n'
    )
    assert [(one.line, one.function) for one in read_standing(text)] == [(14, "step"), (5, "barrier")]
    assert read_standing("main 0x7f02\n") == ()


def test_a_rank_that_ended_in_order_is_named_if_others_lost_the_connection(tmp_path):
    lost = raised("RuntimeError", "Connection closed by peer [127.0.0.1]:1234")
    ranks = {0: (trace(100, 0), [lost]), 1: (trace(101, 1), [{"event": "end", "events": 1}])}
    evidence = load_capture(capture(tmp_path / "c", ranks, launcher("1 (pid: 100)", "0 (pid: 101)")))
    (found,) = [one for one in make_report(evidence).findings if one.code == "CD806"]
    assert found.title.startswith("Rank 1 ended in order while rank 0 still communicated with it")
    assert "same number of steps" in found.fix


def test_stages_of_a_pipeline_are_not_compared(tmp_path):
    other = trace(101, 1, payload=text().replace("*", "+"))
    stage = [{"event": "mesh", "coordinates": f"stage={number}"} for number in (0, 1)]
    later = {"event": "mesh", "coordinates": "dp=0"}
    made = capture(tmp_path / "c", {0: (trace(100, 0), [stage[0], later]), 1: (other, [stage[1], later])})
    evidence = load_capture(made)
    assert [one.who.mesh for one in evidence.ranks.all] == ["stage=0, dp=0", "stage=1, dp=0"]
    assert not [one for one in make_report(evidence).findings if one.code == "CD801"]


def test_what_all_ranks_lack_is_said_once(tmp_path):
    report = make_report(load_capture(folder(tmp_path, {0: trace(10, 0), 1: trace(11, 1, graph_break(pid=11))})))
    assert len(report.ranks.rows) == 2
    (text,) = report.missing
    assert text.startswith("this is only torch's trace")


# ---------------------------------------------------------------- what was passed to torch.compile


def called(line=7, function="Net", where="main", **settings):
    given = {
        "backend": "inductor",
        "mode": "default",
        "dynamic": "None",
        "fullgraph": "False",
        "options": "None",
        **settings,
    }
    return {"event": "compile-call", "stack": [[MODEL, line, where, ""]], "function": function, "settings": given}


def of_calls(tmp_path, *ranks, meshes=()):
    """The findings CD804 of ranks with these calls of torch.compile."""
    events = [[*(meshes[number : number + 1]), *calls] for number, calls in enumerate(ranks)]
    made = capture(tmp_path / "c", {number: (trace(100 + number, number), own) for number, own in enumerate(events)})
    return [one for one in make_report(load_capture(made)).findings if one.code == "CD804"]


def test_another_backend_on_a_rank_is_named_at_the_call(tmp_path):
    (found,) = of_calls(tmp_path, [called()], [called(backend="eager")], [called()])
    assert found.ranks == (1,)
    assert found.location.line == 7
    assert "backend: inductor on ranks 0, 2; eager on rank 1" in found.message


def test_a_call_with_two_other_settings_is_one_finding(tmp_path):
    (found,) = of_calls(tmp_path, [called()], [called(backend="eager", fullgraph="True")])
    assert found.title == "torch.compile has another `backend` and `fullgraph` on some ranks"
    assert "fullgraph: False on rank 0; True on rank 1" in found.message


def test_calls_in_both_sides_of_a_branch_are_one_call(tmp_path):
    (found,) = of_calls(tmp_path, [called(7)], [called(9, mode="max-autotune")])
    assert found.location.line == 9
    assert "`mode`" in found.title


@pytest.mark.parametrize(
    "ranks",
    [
        ([called(), called(9, backend="eager")], [called(), called(9, backend="eager")]),
        ([called(function="Front")], [called(function="Back", backend="eager")]),
        ([called(where="teacher")], [called(where="student", backend="eager")]),
        ([called()], [called(), called(9, mode="max-autotune")]),
        ([called(backend="eager")], []),
    ],
    ids=["each call alike", "other modules", "in other functions", "one more on a rank", "not recorded on a rank"],
)
def test_other_calls_are_not_compared(tmp_path, ranks):
    assert of_calls(tmp_path, *ranks) == []


def test_stages_of_a_pipeline_may_have_other_settings(tmp_path):
    meshes = [{"event": "mesh", "coordinates": f"pp={stage}"} for stage in (0, 1)]
    assert of_calls(tmp_path, [called()], [called(backend="eager")], meshes=meshes) == []


# ---------------------------------------------------------------- what caches had


def asked(rank, answer, begun, seconds, key="k", **payload):
    found = json.dumps({"key": key, **payload})
    return trace(
        100 + rank, rank, artifact(f"fx_graph_cache_{answer}", found, pid=100 + rank), begun=begun, seconds=seconds
    )


def of_caches(tmp_path, *ranks):
    made = capture(tmp_path / "c", {number: (content, []) for number, content in enumerate(ranks)})
    return [one for one in make_report(load_capture(made)).findings if one.code in ("CD805", "CD808")]


def test_ranks_that_found_a_graph_waited_for_one_that_compiled_it(tmp_path):
    (found,) = of_caches(tmp_path, asked(0, "hit", 0, 1), asked(1, "miss", 0, 5), asked(2, "hit", 0, 2))
    assert found.code == "CD808"
    assert found.ranks == (1,)
    assert "Ranks 0, 2 took a graph from torch's cache, and then waited 3.0 s for rank 1." in found.message
    assert "another cache folder" in found.message


def test_torchs_reason_for_a_bypass_is_told(tmp_path):
    ranks = asked(0, "hit", 0, 1), asked(1, "bypass", 0, 5, cache_bypass_reason="Freezing may introduce constants")
    (found,) = of_caches(tmp_path, *ranks)
    assert "Freezing may introduce constants" in found.message


@pytest.mark.parametrize(
    "ranks",
    [
        (asked(0, "miss", 0, 5), asked(1, "hit", 5, 1)),
        (asked(0, "hit", 0, 1), asked(1, "miss", 0, 1.5)),
        (asked(0, "miss", 0, 1), asked(1, "miss", 0, 5)),
        (asked(0, "hit", 0, 1), trace(101, 1, begun=0, seconds=5)),
        (asked(0, "hit", None, 1), asked(1, "miss", None, 5)),
    ],
    ids=["stored by the other", "costs nothing", "missed on both", "no cache on one", "no times"],
)
def test_nobody_waited_for_a_cache(tmp_path, ranks):
    assert of_caches(tmp_path, *ranks) == []


def test_a_straggler_with_a_cold_cache_is_one_finding(tmp_path):
    assert [one.code for one in of_caches(tmp_path, asked(0, "hit", 0, 1), asked(1, "miss", 0, 30))] == ["CD805"]
