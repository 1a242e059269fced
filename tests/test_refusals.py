"""The messages with which attention refuses, of all versions of torch, and the codes that they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import MODEL, evidence
from test_attention import INSIDE, UNMADE, in_graph, node, tensor, watched

from compile_doctor.analysis.attention.input_errors import explain, is_plain
from compile_doctor.capture import load_capture
from compile_doctor.checks import find_check
from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import ErrorLink, Frame

RECORDED = Path(__file__).parent / "evidence" / "2.13.0"
TORCH = "/venv/site-packages/torch/"
OPS = Frame(TORCH + "_ops.py", 432, "dispatch", "raise NotImplementedError(")
CALLED = Frame(MODEL, 7, "forward", "y = flex_attention(q, k, v)")
LOWERING = "\n  target: flex_attention\n  args[0]: TensorBox(StorageBox("


def failed(message, kind="NotImplementedError", phase="compiled", inputs=(), text="", stack=(CALLED, INSIDE, OPS)):
    return Failure(phase, (ErrorLink(kind, message, stack),), text or f"{kind}: {message}", inputs)


def code(failure, found=None):
    refusal = explain(found or evidence(), failure, TORCH)
    return find_check(refusal.check).code if refusal else None


MESSAGES = {
    "a context manager": (
        "CD303",
        "",
        "torch._dynamo.optimize(...) is used with a context manager. Please refer to "
        "https://pytorch.org/tutorials/intermediate/torch_compile_tutorial.html to use torch._dynamo.optimize(...) as "
        "an annotation/decorator. ",
    ),
    "a mode, 2.8": (
        "CD306",
        "train.Counter",
        "There was no rule registered for HOP flex_attention and mode <train.Counter object at 0x7f26acb6e3d0>. "
        "We recommend filing an issue.",
    ),
    "a mode, 2.13": (
        "CD306",
        "cd306_fires.Counter",
        "There was no rule registered for HigherOrderOperator flex_attention and mode <cd306_fires.Counter object at "
        "0x7f392f67dd90>.Hint: set <cd306_fires.Counter object at 0x7f392f67dd90>'s supports_higher_order_operators to "
        "True. This causes all higher order operators to pass through",
    ),
    "a class of a function": (
        "CD306",
        "train.main.<locals>.Counter",
        "There was no rule registered for HOP flex_attention and mode <train.main.<locals>.Counter object at 0x7f>. ",
    ),
    "FlopCounterMode, 2.9": (
        "CD306",
        "",
        "no implementation found for 'torch.ops.higher_order.flex_attention' on types that implement "
        "__torch_function__: [] nor in mode <torch._dynamo._trace_wrapped_higher_order_op.TransformGetItemToIndex object "
        "at 0x7f513a4593d0>",
    ),
    "FlopCounterMode, 2.15": (
        "CD306",
        "",
        "torch.compile with fullgraph=True found no compiled frames. Skipped frames:\n"
        "  - _flex_attention_hop_wrapper (/venv/site-packages/torch/nn/attention/flex_attention.py:2637): non-infra torch "
        "dispatch mode present, this is not supported today in torch.compile",
    ),
    "a subclass": (
        "CD401",
        "torchao.float8.float8_training_tensor.Float8TrainingTensor",
        "There was no rule registered for HOP flex_attention and subclass <class "
        "'torchao.float8.float8_training_tensor.Float8TrainingTensor'>. We recommend filing an issue.",
    ),
    "mixed dtypes, up to 2.10": (
        "CD403",
        "",
        "Expected query, key, and value to have the same dtype, but got query.dtype: torch.float32, key.dtype: "
        "torch.bfloat16, and value.dtype: torch.float32 instead.",
    ),
    "mixed dtypes, from 2.11": (
        "CD403",
        "",
        "LoweringException: ValueError: Mixed query, key, and value dtype is not supported on this platform, got "
        f"query.dtype: torch.float32, key.dtype: torch.bfloat16, and value.dtype: torch.float32.{LOWERING}",
    ),
    "mixed dtypes, SDPA": (
        "CD403",
        "",
        "Expected query, key, and value to have the same dtype, but got query.dtype: float key.dtype: float and "
        "value.dtype: c10::BFloat16 instead.",
    ),
    "float8 in eager mode": ("CD402", "", "\"baddbmm_with_gemm\" not implemented for 'Float8_e4m3fn'"),
    "float8, compiled": (
        "CD402",
        "",
        "LoweringException: NotImplementedError: `torch.float` , `torch.float16` and `torch.bfloat16` are supported in "
        f"FlexAttention for CPU device. Found input tensors are `torch.float8_e4m3fn`.{LOWERING}",
    ),
    "no room": ("CD301", "", "flex_attention's dense path needs 6,700,000,000 bytes, and 1,000 are free"),
}
KINDS = {"no room": "compile_doctor.probe.observe.attention.DenseRefusedError"}


@pytest.mark.parametrize("phase", ["compiled", "eager"])
@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_its_code(name, phase):
    expected, subject, message = MESSAGES[name]
    text = f"in flex_attention\n{message}"
    refusal = explain(evidence(), failed(message, KINDS.get(name, "X"), phase, text=text), TORCH)
    assert (find_check(refusal.check).code, refusal.subject, refusal.phase) == (expected, subject, phase)
    assert refusal.message == message.split("\n", 1)[0].strip()[:300]
    assert refusal.frame.line == 7


@pytest.mark.parametrize(
    "message",
    [
        "boom",
        "the file is used with a context manager",
        "There was no rule registered for HOP cond and mode <train.Counter object at 0x7f26acb6e3d0>. ",
        "Expected query, key, and value to have the same device type",
        "torch.compile with fullgraph=True found no compiled frames. Skipped frames:\n - f (m.py:1): non-infra torch "
        "dispatch mode present",
        "Unsupported for `epilogue_nodes` in CppFlexAttentionTemplate.",
        "\"addmm\" not implemented for 'Float8_e4m3fn'",  # with no attention anywhere near
    ],
)
def test_other_failures_are_no_refusal(message):
    plain = failed(message, stack=(Frame(MODEL, 7, "forward", "y = self.proj(x)"),))
    assert code(plain) is None
    assert code(None) is None


@pytest.mark.parametrize(
    ("name", "expected", "line"),
    [
        ("attn-dispatch-mode", "CD306", "flex("),
        ("attn-flop-counter", "CD306", "flex("),
        ("attn-float8-subclass", "CD401", "flex_attention("),
        ("attn-context-manager", "CD303", "with torch.compiler.disable():"),
        ("attn-mixed-dtypes", "CD403", "flex_attention("),
        ("attn-sdpa-mixed-dtypes", "CD403", "scaled_dot_product_attention("),
        ("attn-raw-float8", "CD402", "flex_attention("),
        ("attn-return-lse", None, ""),
        ("attn-linear-query-defect", None, ""),
        ("attn-epilogue-defect", None, ""),
    ],
)
def test_recorded_refusals_and_the_users_line(name, expected, line):
    found = load_capture(RECORDED / f"{name}.zip")
    refusal = explain(found, found.failure("compiled"), found.environment["torch_root"])
    assert (find_check(refusal.check).code if refusal else None) == expected
    if refusal:
        source = found.sources[refusal.frame.file].split("\n")
        assert line in source[refusal.frame.line - 1]


def test_the_innermost_exception_is_the_cause():
    outer = ErrorLink("torch._inductor.exc.InductorError", MESSAGES["mixed dtypes, from 2.11"][2], (CALLED,))
    inner = ErrorLink("ValueError", outer.message.removeprefix("LoweringException: ValueError: "), (CALLED,))
    chain = Failure("compiled", (outer, inner), "")
    assert explain(evidence(), chain, TORCH).message.startswith("Mixed query, key, and value dtype")


def test_mixed_with_raw_float8_is_a_matter_of_float8():
    inputs = (tensor(1, 2, 8, 8), tensor(1, 2, 8, 8, dtype="float8_e4m3fn"), None)
    assert code(failed(MESSAGES["mixed dtypes, up to 2.10"][2], inputs=inputs)) == "CD402"


def test_the_failing_graph_says_which_call():
    """Two calls in the graph: the one whose dtypes differ."""
    plain = node(line=7)
    odd = node(line=9, inputs=(tensor(1, 2, 8, 8), tensor(1, 2, 8, 8, dtype="bfloat16"), tensor(1, 2, 8, 8)))
    found = watched(in_graph(plain, odd, kernels=None, **UNMADE))
    refusal = explain(found, failed(MESSAGES["mixed dtypes, from 2.11"][2]), TORCH)
    assert (refusal.frame.line, refusal.node, refusal.inputs) == (9, odd, odd.inputs)


def test_a_graph_that_was_compiled_is_not_the_failing_one():
    refusal = explain(watched(in_graph(node(line=9))), failed(MESSAGES["mixed dtypes, from 2.11"][2]), TORCH)
    assert (refusal.frame.line, refusal.node) == (7, None)


def test_the_eager_control_has_no_graph():
    found = watched(in_graph(node(line=9), kernels=None, **UNMADE))
    refusal = explain(found, failed(MESSAGES["mixed dtypes, up to 2.10"][2], phase="eager"), TORCH)
    assert (refusal.frame.line, refusal.node) == (7, None)


def test_a_call_in_a_package_is_the_packages_line():
    package = Frame("/venv/site-packages/lib/layer.py", 4, "attend")
    failure = failed(MESSAGES["a subclass"][2], stack=(CALLED, package, INSIDE, OPS))
    assert explain(evidence(), failure, TORCH).frame.file == package.file


def test_plain_classes():
    assert is_plain(tensor(1)) and is_plain(tensor(1, kind="Parameter"))
    assert not is_plain(tensor(1, kind="Float8TrainingTensor"))


def test_a_float8_subclass_is_not_raw():
    inputs = (tensor(1, dtype="float8_e4m3fn", kind="Float8Tensor"),) * 3
    assert code(failed("boom", inputs=inputs)) is None


def test_a_subclass_at_another_operator_is_not_attentions():
    message = "There was no rule registered for HOP cond and subclass <class 'x.Masked'>. We recommend filing an issue."
    assert code(failed(message, stack=())) is None
