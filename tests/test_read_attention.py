"""What the probe wrote about attention, read back: events, graphs, and captures with several sizes."""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
from helpers import DONE, MODEL, artifact, graph, interned, metrics, record, seal, start, write_capture

from compile_doctor.capture import load_capture
from compile_doctor.capture.attention import choice_key, read_graph, read_tensors
from compile_doctor.capture.events import EventReader
from compile_doctor.capture.reading import decode
from compile_doctor.capture.schema import GraphSeen
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.errors import CaptureError
from compile_doctor.model.asked import Asked
from compile_doctor.model.attention import DenseRefused
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.stacks import Frame
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

AT = [[MODEL, 3, "<module>", ""], [MODEL, 7, "forward", "y = attend(q, k, v)"]]
STACK = (Frame(MODEL, 3, "<module>"), Frame(MODEL, 7, "forward", "y = attend(q, k, v)"))
CODE = """\
cpp_fused_1 = async_compile.cpp_pybinding(['float*'], '''
inline void kernel_exp_reduce_sum_fusion_kernel(
''')
        cpp_fused_1(buf0)
"""


def described(tokens=64, **values):
    base = {"strides": [1], "dtype": "float32", "device": "cpu", "type": "Tensor"}
    return {"shape": [1, 2, tokens, 32], **base, **values}


def inputs(tokens=64, **values):
    return {name: described(tokens, **values) for name in ("query", "key", "value")}


def dense(**values):
    base = {"event": "dense", "graph": None, "index": None, "stack": AT, "modes": [], "state": {}, "wrappers": []}
    return {**base, "inputs": inputs(), **values}


def sdpa(**values):
    base = {"event": "sdpa-ran", "graph": None, "stack": AT, "backend": "flash", "peak": 10, "largest": 5}
    return {**base, "inputs": inputs(), **values}


def read(*events, process="7"):
    """(evidence on attention, what was lost)."""
    reader = EventReader()
    reader.read(f"process-{process}.jsonl", [json.dumps(event).encode() for event in events])
    found = reader.evidence(Asked("model.py"), (), Trace())
    return found.attention, list(found.lost)


def graph_record(**values):
    base = {"number": 1, "backend": "inductor", "attention": [a_node()], "inlined": []}
    return {**base, **values}


def a_node(**values):
    base = {"api": "flex_attention", "node": "flex_attention", "stack": AT, "inputs": inputs(), "output": described()}
    return {**base, "cast_back": False, "options": {}, **values}


def read_record(**values):
    """As it comes out of the trace."""
    return read_graph(decode(json.dumps(graph_record(**values)).encode(), GraphSeen))


# events


def test_nothing_was_watched_where_no_probe_says_so():
    assert read()[0].watched is False
    assert read({"event": "attention-watched"})[0].watched is True


def test_a_graph_that_ran_counts_once_until_the_process_has_counted():
    ran = [{"event": "graph-ran", "number": 1}, {"event": "graph-ran", "number": 2}]
    assert read(*ran)[0].ran == {("7", 1): 1, ("7", 2): 1}  # the process died before it could count
    counts = {"event": "attention-counts", "graphs": {"1": 6}, "dense": []}
    assert read(*ran, counts)[0].ran == {("7", 1): 6, ("7", 2): 1}


def test_dense_calls_get_their_counts_in_the_order_of_their_process():
    reader = EventReader()
    for process, counted in (("7", [3, 4]), ("8", [5])):
        events = [dense(), dense(), {"event": "attention-counts", "graphs": {"1": 2}, "dense": counted}]
        reader.read(f"process-{process}.jsonl", [json.dumps(event).encode() for event in events])
    found = reader.evidence(Asked("model.py"), (), Trace()).attention
    assert [(call.process, call.count) for call in found.dense] == [("7", 3), ("7", 4), ("8", 5), ("8", 1)]
    assert found.ran == {("7", 1): 2, ("8", 1): 2}


def test_a_dense_call():
    wrapper = {"function": "flex_attention", "module": "torch.nn.attention.flex_attention", "recursive": False}
    event = dense(graph=1, index=2, wrappers=[wrapper], modes=["m.Mode"], state={"stance": "default"})
    (call,) = read(event)[0].dense
    assert (call.process, call.graph, call.index, call.count) == ("7", 1, 2, 1)
    assert (call.stack, call.modes, call.state) == (STACK, ("m.Mode",), {"stance": "default"})
    assert (call.wrappers[0].function, call.wrappers[0].recursive) == ("flex_attention", False)
    assert [tensor.shape for tensor in call.inputs] == [(1, 2, 64, 32)] * 3


def test_windows_are_named_by_process_and_a_later_one_replaces():
    window = {"event": "memory", "kernels": ["flash_fwd"], "largest": 1}
    events = [{**window, "window": "call", "peak": 9}, {**window, "window": "graph:1", "peak": 5}]
    found = read(*events, {**window, "window": "graph:1", "peak": 6})[0].windows
    assert [(one.name, one.peak, one.kernels) for one in found] == [
        ("call", 9, ("flash_fwd",)),
        ("7:graph:1", 6, ("flash_fwd",)),
    ]


def test_the_memory_pass_says_whether_it_came_to_its_end():
    assert read({"event": "memory-pass", "done": True})[0].measured is True
    failed = read({"event": "memory-pass", "done": False, "reason": "out of time"})[0]
    assert (failed.measured, failed.not_measured) == (False, "out of time")


def test_the_other_events():
    found, notes = read(
        sdpa(),
        {"event": "mask-made", "stack": AT, "peak": 9, "largest": 4},
        {"event": "dense-refused", "phase": "compiled", "needed": 9, "left": 4, "more": 1},
        {"event": "disabled-compiled", "function": "f", "module": "m", "stack": AT},
        {"event": "compiled-function", "function": "f", "stack": AT, "options": {"dynamic": True}},
    )
    assert notes == []
    assert (found.eager_sdpa[0].backend, found.eager_sdpa[0].stack) == ("flash", STACK)
    assert (found.masks[0].peak, found.masks[0].largest) == (9, 4)
    assert found.refused == (DenseRefused("compiled", 9, 4),)
    assert (found.disabled[0].function, found.compiled[0].options) == ("f", {"dynamic": True})


@pytest.mark.parametrize(("lengths", "known"), [([3, 60, 60], (3, 60, 60)), ([3, -1, 60], ()), ([], ())])
def test_varlen_attn_outside_of_graphs(lengths, known):
    found, notes = read(sdpa(api="varlen_attn", lengths=lengths), sdpa())
    assert [(one.api, one.lengths) for one in found.eager_sdpa] == [("varlen_attn", known), ("sdpa", ())]
    assert notes == []


def test_torchs_choice_is_found_by_the_inputs_of_the_call():
    choice = {
        "event": "sdpa-choice",
        "inputs": inputs(),
        "options": {},
        "choice": "math",
        "refused": {"flash": ["a", "b"]},
    }
    found, _ = read(sdpa(), sdpa(inputs=inputs(tokens=128)), choice)
    chosen = [found.choices.get(one.key) for one in found.eager_sdpa]
    assert (chosen[0].choice, chosen[0].refused, chosen[1]) == ("math", {"flash": ("a", "b")}, None)


def test_choices_differ_by_shape_strides_dtype_device_and_options_only():
    base = choice_key(inputs(), {"is_causal": True})
    assert choice_key(inputs(made={"by": "linear"}), {"is_causal": True}) == base
    others = [inputs(tokens=128), inputs(strides=[2]), inputs(dtype="bfloat16"), inputs(device="cuda")]
    keys = {choice_key(one, {"is_causal": True}) for one in others} | {choice_key(inputs(), None)}
    assert len(keys | {base}) == 6


@pytest.mark.parametrize(
    "event",
    [
        {"event": "graph-ran"},
        {"event": "graph-ran", "number": "first"},
        {"event": "attention-counts", "graphs": [], "dense": []},
        {"event": "attention-counts", "graphs": {"1": 2}},
        {"event": "dense-refused", "phase": "compiled"},
        sdpa(inputs=None),
        sdpa(stack=[[MODEL, 7]]),
        sdpa(peak=None),
        {"event": "memory", "window": "call"},
        {"event": "mask-made", "stack": None, "peak": 1, "largest": 1},
        {"event": "disabled-compiled"},
        {"event": "compiled-function", "function": "f", "stack": AT, "options": None},
        {"event": "sdpa-choice", "inputs": {"query": [1]}},
        {"event": "memory-pass"},
    ],
)
def test_a_damaged_event_is_noted_and_the_others_are_read(event):
    found, notes = read(event, {"event": "attention-watched"}, sdpa())
    assert len(notes) == 1
    assert notes[0].startswith(f"process-7.jsonl, line 1: event '{event['event']}': ")
    assert (found.watched, len(found.eager_sdpa)) == (True, 1)


def test_a_line_that_was_cut_off_is_noted():
    reader = EventReader()
    reader.read("process-7.jsonl", [json.dumps(dense()).encode(), json.dumps(dense()).encode()[:40]])
    assert len(reader.evidence(Asked("model.py"), (), Trace()).attention.dense) == 1
    assert reader.lost == ["process-7.jsonl, line 2: Input data was truncated"]


def test_an_event_of_a_newer_doctor_is_none_of_attentions():
    found, notes = read({"event": "dense-two"})
    assert found.dense == ()
    assert "its kind 'dense-two' is unknown: another version wrote it" in notes[0]


# graphs


def test_a_graph():
    made = {"by": "linear", "module": "q_proj", "stack": AT}
    entry = a_node(api="sdpa", node="y", inputs={"query": described(made=made)}, output=None, cast_back=True)
    found = read_record(attention=[entry], callers=AT, backend="eager")
    (node,) = found.attention
    assert (found.number, found.backend, found.callers) == (1, "eager", STACK)
    assert (node.api, node.node, node.stack, node.cast_back) == ("sdpa", "y", STACK, True)
    assert (node.inputs[0].made_by, node.inputs[0].module, node.inputs[0].made_at) == ("linear", "q_proj", STACK[0])
    assert (node.inputs[1:], node.output_dtype) == ((None, None), None)


def test_only_sdpa_has_a_choice_of_backends():
    found = read_record(attention=[a_node(), a_node(api="sdpa")]).attention
    assert [bool(node.key) for node in found] == [False, True]
    assert found[0].output_dtype == "float32"


def test_inlined_functions_keep_their_options():
    inner = {"function": "flex", "stack": AT, "options": {"mode": "max-autotune"}}
    assert read_record(inlined=[inner]).inlined[0].options == {"mode": "max-autotune"}


def test_tensors_that_are_not_there():
    assert read_tensors({}) == (None, None, None)


# captures


def a_trace(tokens=64, code=CODE):
    entry = a_node(inputs=inputs(tokens))
    parts = [interned(MODEL, 1), start(), graph()]
    parts.append(artifact("compile_doctor_graph", json.dumps(graph_record(attention=[entry]))))
    header = {"inductor_output_code": {"filename": "x.py"}, "frame_id": 0, "frame_compile_id": 0, "attempt": 0}
    parts.append(record({**header, "has_payload": "0"}, code))
    return b"".join([*parts, metrics(has_guarded_code=True)])


def some_events(peak, eager=False, difference=None, phases=DONE):
    states = [{"event": "phase", "name": name, "state": state, "seconds": 1.0} for name, state in phases.items()]
    values = {"torch": "2.13.0+cpu", "torch_root": "/venv/site-packages/torch/"}
    known = [{"event": "environment", "values": values}, *states]
    known = [event for event in known if eager or event.get("name") != "eager"]
    known += [{"event": "difference", "value": difference, "reason": None}] if eager else []
    window = {"event": "memory", "window": "graph:1", "peak": peak, "largest": peak // 4, "kernels": []}
    counts = {"event": "attention-counts", "graphs": {"1": 2}, "dense": []}
    return [*known, {"event": "attention-watched"}, counts, window, {"event": "memory-pass", "done": True}]


def with_rungs(folder, **values):
    """64 and 256 tokens were run, 1,024 were not."""
    rungs = [
        {"tokens": 64, "directory": "rung-64", "reason": "", "predicted": None},
        {"tokens": 256, "directory": "rung-256", "reason": "", "predicted": 10},
        {"tokens": 1024, "directory": None, "reason": "no room", "predicted": 160},
    ]
    write_capture(folder, options={"tokens": 1024}, rungs=rungs, **values)
    shutil.rmtree(folder / "trace")
    for name in ("sources.json", "process-7.jsonl"):
        (folder / name).unlink()
    small = some_events(64 * 100, eager=True, difference=0.5)
    write_capture(folder / "rung-64", a_trace(64), small, options={"tokens": 64})
    write_capture(folder / "rung-256", a_trace(256), some_events(256 * 100), options={"tokens": 256})
    return seal(folder)


def test_a_kernel_in_the_trace_and_a_graph_meet_in_their_compilation(tmp_path):
    (compiled,) = load_capture(write_capture(tmp_path / "c", a_trace(), some_events(10))).compilations
    assert compiled.graph.attention[0].inputs[0].shape == (1, 2, 64, 32)
    assert compiled.kernels == (Kernel("flex_attention", "cpp_fused_1", "cpp", 1),)


def test_code_without_attention_is_code_all_the_same(tmp_path):
    (compiled,) = load_capture(write_capture(tmp_path / "c", a_trace(code="x = 1"), some_events(10))).compilations
    assert compiled.kernels == ()


def test_a_damaged_graph_is_counted_and_the_rest_is_read(tmp_path):
    bad = artifact("compile_doctor_graph", json.dumps({"number": 1}))
    found = load_capture(write_capture(tmp_path / "c", a_trace() + bad, some_events(10)))
    assert len(found.lost) == 1 and "compile_doctor_graph" in found.lost[0]
    assert found.compilations[0].graph is not None


def test_the_largest_size_that_was_run_is_the_main_evidence(tmp_path):
    found = load_capture(with_rungs(tmp_path / "c"))
    assert [(rung.tokens, rung.reason, rung.predicted) for rung in found.rungs] == [
        (64, "", None),
        (256, "", 10),
        (1024, "no room", 160),
    ]
    assert [rung.evidence is None for rung in found.rungs] == [False, False, True]
    assert found.attention.windows[0].peak == 25600
    assert found.compilations[0].graph.attention[0].inputs[1].shape[-2] == 256


def test_numerics_are_from_the_smallest_size(tmp_path):
    found = load_capture(with_rungs(tmp_path / "c"))
    assert (found.max_difference, found.facts.compared_at) == (0.5, 64)
    assert (found.phases["eager"], found.seconds["eager"]) == ("done", 1.0)
    assert found.asked.settings.tokens == 1024  # what was asked, not what the last size was given


def test_one_size_alone_is_compared_at_itself(tmp_path):
    folder = with_rungs(tmp_path / "c")
    manifest = json.loads((folder / "capture.json").read_text())
    (folder / "capture.json").write_text(json.dumps({**manifest, "rungs": manifest["rungs"][:1]}))
    found = load_capture(folder)
    assert (found.max_difference, found.facts.compared_at, len(found.rungs)) == (0.5, None, 1)


@pytest.mark.parametrize("prefix", ["", "c/"])
def test_a_zip_says_what_the_directory_says(tmp_path, prefix):
    folder = with_rungs(tmp_path / "c")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    assert load_capture(tmp_path / "c.zip") == load_capture(folder)


def test_a_capture_without_a_size_that_was_run_is_none(tmp_path):
    folder = with_rungs(tmp_path / "c")
    manifest = json.loads((folder / "capture.json").read_text())
    (folder / "capture.json").write_text(json.dumps({**manifest, "rungs": manifest["rungs"][2:]}))
    with pytest.raises(CaptureError, match="no size that was run"):
        load_capture(folder)


@pytest.mark.parametrize("damage", [{}, {"stack": [[1]]}, {"inputs": None}, {"inputs": {"query": {"shape": None}}}])
def test_a_damaged_dense_event_is_noted_and_the_rest_is_read(tmp_path, damage):
    event = {"event": "dense", "graph": None, "index": None, "stack": [], "wrappers": [], "modes": [], "state": {}}
    bad = {**event, "inputs": {}, **damage} if damage else {"event": "dense"}
    found = load_capture(write_capture(tmp_path / "c", a_trace(), [*some_events(10), bad]))
    assert found.attention.ran
    assert len(found.lost) == 1


def test_a_target_that_fails_in_eager_mode_at_the_smallest_size_is_not_healthy(tmp_path):
    folder = with_rungs(tmp_path / "c")
    failed = [
        {
            "event": "failure",
            "phase": "eager",
            "chain": [{"type": "ValueError", "message": "no", "stack": []}],
            "text": "no",
        },
        {"event": "phase", "name": "eager", "state": "failed", "seconds": 0.1},
    ]
    with (folder / "rung-64" / "process-7.jsonl").open("a") as stream:
        stream.writelines(json.dumps(event) + "\n" for event in failed)
    report = make_report(load_capture(folder))
    assert [one.code for one in report.findings if one.code == "CD002"]
    assert exit_code(report, "error") == 3
