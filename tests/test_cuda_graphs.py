"""CUDA graphs: what torch logs and what the probe counts, made into a verdict for each graph. Torch's own texts; no GPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from helpers import MODEL, compilation, evidence
from torch._inductor import cudagraph_utils

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.capture import schema
from compile_doctor.model.asked import Asked, Settings
from compile_doctor.model.compilations import LogRecord
from compile_doctor.model.cuda_graphs import CudaGraphFunction
from compile_doctor.probe.compat import cuda_graphs
from compile_doctor.probe.observe.cuda_graphs import CudaGraphs, is_told
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

STACK = f'File "{MODEL}", line 7, in forward\n    x.add_(1.0)'
INSIDE = 'File "/venv/site-packages/torch/nn/modules/linear.py", line 134, in forward\n    return F.linear(input)'


def log(message, compile_id="0/0"):
    assert is_told(message), "the probe keeps it"
    return LogRecord("7", "cudagraph", message, compile_id)


def function(recordings=1, replays=2, mode="inference", compile_id="0/0"):
    return CudaGraphFunction(compile_id, mode, 1, recordings, replays)


def run(functions=(), logs=(), **settings):
    options = Settings(**{"mode": "reduce-overhead", **settings})
    return evidence(
        asked=Asked("model.py", options=options),
        compilations=(compilation(),),
        cuda_graphs=functions if functions is None else tuple(functions),
        logs=tuple(logs),
        environment={"torch": "2.11.0", "torch_root": "/venv/site-packages/torch/"},
    )


def state(found):
    (one,) = AnalysisContext(found).cuda_graphs
    return one


def codes(found):
    return [one.code for one in make_report(found).findings]


def partition(*operators):
    """The records of torch 2.11 and later for a graph that is cut (Scheduler._log_graph_partitions)."""
    yield log("Created 3 graph partitions: 2 cudagraphable, 1 non-cudagraphable")
    yield log("  Partition 1: 1 nodes, non-cudagraphable, inputs=1, outputs=1")
    for name, reason in operators:
        yield log(f"    {name}: reason={reason}, ir=ComputedBuffer, fx=aten.add.Tensor(mul, 1)")
        for line in (INSIDE + "\n" + STACK).split("\n"):
            yield log(f"         {line}")


def test_a_graph_that_is_recorded_and_replayed_is_captured():
    found = run([function()])
    assert (state(found).state, state(found).recordings, state(found).replays) == ("captured", 1, 2)
    assert codes(found) == []


def test_forward_and_backward_are_one_graph():
    assert state(run([function(mode="forward"), function(mode="backward")])).state == "captured"


@pytest.mark.parametrize("indices", [[0], [0, 1]])
def test_a_mutated_input_is_told_with_torchs_words_and_line(indices):
    placeholder = SimpleNamespace(mutating_use_stack_trace=STACK)
    message = cudagraph_utils.get_mutation_stack_trace([placeholder, placeholder], indices)
    one = state(run([], [log(message)]))
    assert one.state == "skipped"
    assert one.reasons[0].text == f"mutated inputs ({len(indices)} instances)"
    assert (one.reasons[0].frame.file, one.reasons[0].frame.line) == (MODEL, 7)
    report = make_report(run([], [log(message)]))
    assert [(found.code, found.location.line) for found in report.findings] == [("CD311", 7)]
    assert "Do not write into an input" in report.findings[0].fix


def test_an_input_that_is_mutated_at_run_time_is_told_without_a_compile_id():
    message = cudagraph_utils.get_mutation_stack_trace([SimpleNamespace(mutating_use_stack_trace=STACK)], [0])
    one = state(run([function(0, 0)], [log(message, None)]))
    assert (one.state, one.reasons[0].frame.line) == ("skipped", 7)


def test_a_tensor_on_the_cpu_is_told():
    use = SimpleNamespace(meta={"stack_trace": STACK})
    node = SimpleNamespace(name="primals_1", users=[use])
    with torch._inductor.config.patch(graph_partition=False):
        message = cudagraph_utils.check_multiple_devices_or_any_cpu_nodes({torch.device("cpu"): node})
    doubled = cudagraph_utils.format_default_skip_message(message)  # as CompiledFxGraph logs it
    for text in (message, doubled):
        reason = state(run([], [log(text)])).reasons[0]
        assert (reason.text, reason.frame.line) == ("cpu device (primals_1)", 7)


def test_a_graph_that_is_cut_is_captured_in_part_with_the_operators_between():
    logs = list(partition(("buf1", "cpu ops"), ("buf2", "cpu ops"), ("buf3", "DeviceCopy ops")))
    found = run([function(), function()], logs)
    one = state(found)
    assert (one.state, one.partitions) == ("partly", (3, 2))
    assert [(reason.text, reason.frame.line, reason.count) for reason in one.reasons] == [
        ("cpu ops", 7, 2),
        ("DeviceCopy ops", 7, 1),
    ]
    (finding,) = make_report(found).findings
    assert (finding.code, finding.location.line) == ("CD312", 7)
    assert "cpu ops (2 operators); DeviceCopy ops" in finding.message


def test_a_graph_that_is_cut_is_told_by_its_pieces_if_torch_names_no_operator():
    assert state(run([function(), function()])).state == "partly"


def test_nothing_captured_and_no_message_is_not_a_pass():
    """As with graph partitions, of which none can be captured: torch's own cudagraph_or_error says nothing."""
    found = run([], [])
    assert (state(found).state, codes(found)) == ("skipped", ["CD311"])
    assert "torch gives no reason" in make_report(found).findings[0].message


def test_too_few_calls_are_not_a_failure_and_not_a_proof():
    found = run([function(0, 0)], require_cudagraphs=True)
    report = make_report(found)
    assert (state(found).state, codes(found)) == ("not-recorded", [])
    assert (report.verdict, exit_code(report, "error")) == ("inconclusive", 3)
    assert "use --repeat 4" in report.reason


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (run([function()], require_cudagraphs=True), 0),
        (run([function(), function()], require_cudagraphs=True), 1),
        (run([], require_cudagraphs=True), 1),
        (run([]), 0),  # a warning
        (run(None, require_cudagraphs=True), 3),  # a CPU: nobody counted
        (run([], require_cudagraphs=True, mode=None), 3),  # nobody asked for them
    ],
)
def test_required_graphs_have_to_be_captured(found, code):
    assert exit_code(make_report(found), "error") == code


def test_without_a_device_that_has_them_nothing_is_said():
    assert AnalysisContext(run(None)).cuda_graphs == ()
    assert codes(run(None)) == []


def test_a_graph_that_is_recorded_at_every_call_is_told():
    assert codes(run([function(recordings=6, replays=0)])) == ["CD313"]
    assert codes(run([function(recordings=2, replays=0)])) == []


def test_many_sizes_are_told():
    message = (
        "CUDAGraph supports dynamic shapes by recording a new graph for each distinct input size. Recording too many CUDAGraphs "
        "may lead to extra overhead. We have observed 9 distinct sizes. Please consider"
    )
    assert codes(run([function()], [log(message, None)])) == ["CD315"]


class Manager:
    """torch's CUDAGraphTreeManager in what the probe replaces: the first call warms up, the second records, others replay."""

    def __init__(self):
        self.id_to_mode, self.id_to_compile_id, self.calls = {}, {}, 0

    def add_function(self, model, inputs):
        self.id_to_mode[ID], self.id_to_compile_id[ID] = SimpleNamespace(name="INFERENCE"), "3/1"
        return model, self.run(inputs)

    def run(self, inputs):
        self.calls += 1
        if self.calls == 1:
            return self.run_eager(inputs, ID)
        if self.calls == 2:
            return self.record_function(inputs, ID)
        return self.execute_node(SimpleNamespace(wrapped_function=SimpleNamespace(id=ID)), inputs)

    def run_eager(self, inputs, function_id):
        return inputs

    record_function = run_eager

    def execute_node(self, node, inputs):
        return inputs


ID = cudagraph_utils.FunctionID(5)


def test_the_probe_counts_what_is_wrapped_recorded_and_replayed(monkeypatch):
    monkeypatch.setattr(
        cuda_graphs.importlib, "import_module", lambda name: SimpleNamespace(CUDAGraphTreeManager=Manager)
    )
    written = []
    counted = CudaGraphs()
    counted.write(SimpleNamespace(write=written.append))
    assert written == [], "a run on a CPU says nothing"
    counted.install()
    manager = Manager()
    manager.add_function("model", [1])
    for _ in range(3):
        manager.run([1])
    counted.write(SimpleNamespace(write=written.append))
    assert written == [schema.CudaGraphs([CudaGraphFunction("3/1", "inference", 1, 1, 2)])]


def test_torchs_own_manager_has_what_is_counted():
    import inspect

    from torch._inductor.cudagraph_trees import CUDAGraphNode, CUDAGraphTreeManager

    parameters = {
        name: list(inspect.signature(getattr(CUDAGraphTreeManager, name)).parameters)
        for name in ("run_eager", "record_function", "execute_node")
    }
    assert parameters == {
        "run_eager": ["self", "new_inputs", "function_id"],
        "record_function": ["self", "new_inputs", "function_id"],
        "execute_node": ["self", "node", "new_inputs"],
    }
    source = inspect.getsource(CUDAGraphTreeManager)
    assert all(name in source for name in ("self.id_to_mode", "self.id_to_compile_id", "def add_function"))
    assert "self.wrapped_function" in inspect.getsource(CUDAGraphNode)
