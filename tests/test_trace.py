"""From trace records to evidence: compilations, breaks, recompile reasons, and what damage costs."""

from __future__ import annotations

import json
import random

import pytest
from helpers import (
    MODEL,
    PRINT,
    PRINT_REASON,
    artifact,
    break_text,
    graph,
    graph_break,
    ids,
    interned,
    metrics,
    one_break,
    read,
    record,
    start,
)

from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace import stream as trace_stream
from compile_doctor.capture.trace.read import TAKERS

NAMES = interned(MODEL, 1)
GUARD = "0/0: tensor 'x' size mismatch at index 1. expected 8, actual 9"


def test_a_whole_trace():
    trace = read(one_break())
    first, second = trace.compilations
    assert (first.label, first.function, first.file, first.line, first.graphs, first.ops, first.guarded) == (
        "0/0",
        "forward",
        MODEL,
        5,
        1,
        3,
        True,
    )
    assert second.function == "torch_dynamo_resume_in_forward_at_7"
    (found,) = trace.breaks
    assert (found.compilation, found.upstream, found.recorded_at, found.in_loop) == (0, "GB0059", (MODEL, 7), False)
    assert found.reason.startswith("Encountered graph break when attempting to trace CALL")
    assert "User code traceback" not in found.reason
    assert [(frame.line, frame.function, frame.code) for frame in found.stack] == [
        (30, "<module>", "m(x)"),
        (7, "forward", 'print("seen")'),
    ]
    assert not trace.unknown


@pytest.mark.parametrize("size", [1, 2, 7, 64, 333])
def test_block_size_changes_no_evidence(monkeypatch, size):
    content = one_break() + artifact("recompile_reasons", GUARD, 0, 1) + start(0, 1) + metrics(0, 1)
    expected = read(content)
    monkeypatch.setattr(trace_stream, "BLOCK", size)
    assert read(content) == expected


def test_cut_at_every_place_never_raises_and_never_invents():
    content = one_break()
    whole = read(content)
    for cut in range(0, len(content), 3):
        head, tail = read(content[:cut]), read(content[cut:])
        assert len(head.compilations) <= len(whole.compilations)
        assert len(head.breaks) <= 1 and len(tail.breaks) <= 1
    late = read(content[content.index(b"dynamo_graph_break_reason") - 40 :])
    assert [item.compilation for item in late.breaks] in ([], [-1])  # its frame began before the cut
    nameless = read(content[content.index(b"\n") + 1 :])
    assert nameless.compilations[0].file == "?"


def test_a_start_without_an_end_is_not_guarded():
    (found,) = read(NAMES + start()).compilations
    assert found.guarded is None
    assert found.seconds is None


def test_metrics_of_a_failure():
    failed = {
        "guard_count": None,
        "fail_type": "Unsupported",
        "fail_reason": "why",
        "fail_user_frame_filename": MODEL,
        "fail_user_frame_lineno": 7,
    }
    (found,) = read(NAMES + start() + metrics(**failed)).compilations
    assert (found.guarded, found.fail_type, found.fail_reason, found.fail_at) == (
        False,
        "Unsupported",
        "why",
        (MODEL, 7),
    )


def test_recompile_reasons_as_a_list_up_to_2_10_and_as_a_bare_string_from_2_11():
    second = artifact("recompile_reasons", json.dumps([GUARD, "0/1: k == 3"], indent=0), 0, 1) + start(0, 1)
    third = artifact("recompile_reasons", GUARD, 0, 2) + start(0, 2)
    quoted = artifact("recompile_reasons", json.dumps(GUARD), 0, 3) + start(0, 3)
    trace = read(NAMES + start() + second + third + quoted)
    assert [c.recompile_reasons for c in trace.compilations] == [(), (GUARD, "0/1: k == 3"), (GUARD,), (GUARD,)]
    assert not trace.beyond_limit


def test_reasons_without_a_compilation_are_those_that_the_limit_refused():
    trace = read(NAMES + start() + artifact("recompile_reasons", GUARD, 0, 8))
    assert trace.beyond_limit == {"7:0": 1}


def test_compile_ids_that_start_again_after_a_reset():
    trace = read(one_break() + one_break())
    assert [c.label for c in trace.compilations] == ["0/0", "1/0", "0/0", "1/0"]
    assert [item.compilation for item in trace.breaks] == [0, 2]
    assert [c.graphs for c in trace.compilations] == [1, 1, 1, 1]


def test_two_processes_in_one_file():
    other = interned("/other.py", 1, pid=8)
    mixed = (
        NAMES
        + other
        + start(pid=7)
        + start(pid=8, function="step")
        + graph_break(pid=8)
        + graph(pid=7)
        + metrics(pid=8)
        + metrics(pid=7, graph_op_count=5)
    )
    trace = read(mixed)
    assert [(c.process, c.function, c.file, c.graphs, c.ops) for c in trace.compilations] == [
        ("7", "forward", MODEL, 1, 5),
        ("8", "step", "/other.py", 0, 3),
    ]
    assert [item.compilation for item in trace.breaks] == [1]


def test_a_forked_child_uses_the_file_names_that_its_parent_wrote():
    # torch's table of names is copied by the fork, so the child does not write them again.
    trace = read(NAMES + start(pid=7) + metrics(pid=7) + start(1, pid=8))
    assert [c.file for c in trace.compilations] == [MODEL, MODEL]


def test_a_data_dependent_branch():
    reason = (
        "Data-dependent branching\n  Explanation: Detected data-dependent branching (e.g. `if my_tensor.sum() > 0:`).\n"
    )
    (found,) = read(NAMES + start() + graph_break(reason=reason)).breaks
    assert found.reason.startswith("Data-dependent branching")


def test_a_break_in_a_loop_is_marked():
    loop = (
        PRINT_REASON
        + "\n\n*** While handling this graph break, another graph break occurred: ***\n\ngraph break in loop\n  Explanation: …"
    )
    (found,) = read(NAMES + start() + graph_break(reason=loop)).breaks
    assert found.in_loop


ERROR_OF_2_8 = f"""\
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/torch/_dynamo/exc.py", line 528, in unimplemented_v2
    raise Unsupported(msg)
torch._dynamo.exc.Unsupported: {PRINT}


from user code:
   File "{MODEL}", line 3, in wrapper
    return fn(*a, **k)
  File "{MODEL}", line 7, in forward
    print("seen")

Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace
"""


def test_torch_2_8_tells_of_a_break_inside_try_only_as_an_error():
    trace = read(
        NAMES + start() + artifact("dynamo_error", ERROR_OF_2_8) + metrics(guard_count=None, fail_type="Unsupported")
    )
    (found,) = trace.breaks
    assert found.source == "dynamo_error"
    assert found.reason.startswith("Failed to trace builtin operator")
    assert [frame.function for frame in found.stack] == ["wrapper", "forward"]
    assert trace.compilations[0].error.endswith("internal stack trace\n")


def test_an_error_that_follows_its_break_record_is_not_a_second_break():
    assert len(read(NAMES + start() + graph_break() + artifact("dynamo_error", ERROR_OF_2_8)).breaks) == 1


def test_unknown_and_malformed_records_are_counted():
    content = (
        record({"brand_new": {}}) * 3
        + artifact("brand_new_artifact", "x")
        + b"V torn\n"
        + artifact("dynamo_graph_break_reason", "no site")
    )
    known = (
        record({"dynamo_guards": {}}) + artifact("inductor_wrapper_code", "x") + artifact("before_pre_grad_graph", "x")
    )
    found = read(content + known)
    assert found.unknown == {"brand_new": 3, "artifact:brand_new_artifact": 1}
    assert len(found.lost) == 2


def test_a_payload_that_is_no_utf8():
    text = break_text().encode().replace(b"seen", b"\xff\xfe")
    broken = artifact("dynamo_graph_break_reason", "@").replace(b"\t@\n", b"\t" + text.replace(b"\n", b"\n\t") + b"\n")
    trace = read(NAMES + start() + broken + artifact("recompile_reasons", "@", 0, 1).replace(b"@", b"\xff\xfe"))
    assert len(trace.breaks) == 1


SHAPES: list = [
    None,
    [],
    "text",
    3,
    1.5,
    {},
    {"stack": None},
    {"stack": [{}]},
    {"stack": "x"},
    {"stack": [3]},
    [1],
    ["a", "b", "c"],
    [["x"], []],
    True,
]


@pytest.mark.parametrize("kind", ["dynamo_start", "compilation_metrics", "str", "dynamo_output_graph", "artifact"])
def test_valid_json_of_an_unexpected_shape_is_counted_not_raised(kind):
    for value in SHAPES:
        trace = read(NAMES + start() + record({kind: value, **ids(0)}, "[]") + start(1) + metrics(1))
        assert trace.compilations[-1].ops == 3


def test_frame_ids_of_an_unexpected_shape():
    for value in (None, "x", [], {}, 1e999, 2**70):
        trace = read(
            NAMES
            + record({"dynamo_start": {"stack": []}, "frame_id": value, "frame_compile_id": 0})
            + start(1)
            + graph(1)
            + metrics(1)
        )
        assert trace.compilations[-1].graphs == 1


@pytest.mark.parametrize("name", ["recompile_reasons", "torch_version", "dynamo_error", "dynamo_graph_break_reason"])
def test_artifacts_with_an_unexpected_payload(name):
    for payload in ("[]", "3", "null", "{}", '"x"', "", "[[1, 2], null]", '{"pytorch_version": 3}', "[" * 100_000):
        assert (
            len(read(NAMES + start() + artifact(name, payload, 0, 1) + start(0, 1) + metrics(0, 1)).compilations) == 2
        )


def test_random_damage_never_raises():
    dice, content = (
        random.Random(11),
        one_break() + artifact("recompile_reasons", GUARD, 0, 1) + artifact("dynamo_error", ERROR_OF_2_8),
    )
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(dice.randrange(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        at = dice.randrange(len(damaged))
        del damaged[at : at + dice.choice((0, 0, 1, 30))]
        read(bytes(damaged))


def test_a_file_that_is_something_else_is_not_read_to_its_end():
    """A zip bomb of line feeds and `V` has a hundred million records, none of which means anything."""
    found = read(start() + b"V torn\n" * 100_000 + start(1))
    assert len(found.lost) == 101 and "the rest was not read" in found.lost[-1]
    assert len(found.compilations) == 1


def test_a_recompilation_without_a_guard_is_lost_evidence():
    found = read(start() + artifact("recompile_reasons", json.dumps(["", " "]), 0, 1))
    assert found.lost == ["trace, record 2 (artifact:recompile_reasons): it names no guard"]


def test_the_tensors_that_a_frame_read():
    def tensor(number, source, size, dtype="torch.float32", describer=1):
        described = {"id": number, "describer_id": describer, "dtype": dtype, "size": size, "ndim": len(size)}
        named = {"id": number, "describer_id": 1, "source": source}
        return record({"describe_tensor": described, **ids(0)}) + record({"describe_source": named, **ids(0)})

    trace = read(
        NAMES
        + start()
        + tensor(0, "L['x']", [4, 8])
        + tensor(1, "L['n']", [], "torch.int64")
        + tensor(2, "L['self']._buffers['step']", [1])
        + tensor(
            3, "L['self']._modules['net']._parameters['weight']", [8, 8]
        )  # of a submodule: not in the frame's source
        + tensor(4, "L['s']", ["s0", 8])  # a size that is a symbol
        + tensor(6, "L['batch']['mask']", [4], "torch.bool")
        + tensor(7, "L['self'].extra[1]['k']", [2])
        + tensor(5, "L['other']", [2], describer=2)  # described by another: the number means another tensor
        + metrics()
    )
    found = [(given.name, given.dtype, given.shape) for given in trace.compilations[0].inputs]
    assert found == [
        ("x", "torch.float32", (4, 8)),
        ("n", "torch.int64", ()),
        ("self.step", "torch.float32", (1,)),
        ("batch['mask']", "torch.bool", (4,)),
        ("self.extra[1]['k']", "torch.float32", (2,)),
    ]


def test_each_kind_that_is_decoded_has_a_function_that_takes_it():
    assert TAKERS.keys() == trace_records.KINDS.keys()
