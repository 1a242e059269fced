"""Attention that is written out by hand: whether a kernel replaced it, and what the finding says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import MODEL, compilation
from test_attention import FLASH, in_graph, node, only, watched

from compile_doctor.model.attention import Graph, Written
from compile_doctor.model.stacks import Frame
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

LIBRARY = "/venv/site-packages/transformers/models/gpt_oss/modeling_gpt_oss.py"


TABLE = 1024 * 1024 * 2 * 4
MODELLING = "class Pretrained(PreTrainedModel):\n"


def by_hand(*written, kernels=(), largest=TABLE, attention=(), required=False, **changes):
    graph = Graph(1, "inductor", attention, (), (), written)
    peak = None if largest is None else 2 * TABLE
    found = watched(
        compilation(graph=graph, kernels=kernels), peak=peak, largest=largest, options={"require_fused": required}
    )
    return make_report(replace(found, **changes))


def table(how="matmul", file=MODEL, scores=(1, 2, 1024, 1024), line=7, dropout=False):
    frames = (Frame(file, line, "forward"),)
    return Written(how, ("matmul", "softmax", "matmul_1"), frames, scores, 3 * 2 * 1024 * 32, "float32", dropout)


def fix_of_written(how, file=MODEL, scores=(1, 2, 1024, 1024), text=None, dropout=False):
    report = by_hand(table(how, file, scores, dropout=dropout), sources={file: text} if text else {})
    (found,) = (f for f in report.findings if f.code == "CD505")
    return found.message, found.fix


@pytest.mark.parametrize(
    ("how", "file", "words"),
    [
        ("matmul", MODEL, "Call torch.nn.functional.scaled_dot_product_attention"),
        ("matmul", LIBRARY, 'attn_implementation="sdpa"'),
        ("sink", MODEL, "Append a key and a value of zeros"),
        ("sink", LIBRARY, 'On a GPU, load the model with attn_implementation="flex_attention"'),
        ("broadcast", MODEL, "Call torch.nn.functional.scaled_dot_product_attention"),
        ("mixed-heads", LIBRARY, "No fused kernel of torch combines heads"),
    ],
)
def test_written_attention_has_a_fix_that_fits(how, file, words):
    fix = fix_of_written(how, file)[1]
    assert words in fix and ('"sdpa"' in fix) is (how == "matmul" and file == LIBRARY)


@pytest.mark.parametrize(
    ("how", "flags", "words"),
    [
        (
            "matmul",
            "_supports_sdpa = True\n_supports_flex_attn = True",
            'implementation="sdpa" or "flex_attention"; this',
        ),
        (
            "matmul",
            "_supports_sdpa = False  # no soft cap\n_supports_flex_attn = True",
            'implementation="flex_attention"; this',
        ),
        (
            "matmul",
            "",
            "This model has no other implementation in transformers: its own code has to change. Call torch",
        ),
        ("sink", "_supports_sdpa = True", "This model has no other implementation in transformers"),
    ],
)
def test_another_implementation_is_named_if_the_model_says_that_it_has_it(how, flags, words):
    assert words in fix_of_written(how, LIBRARY, text=MODELLING + flags)[1]


def test_a_model_of_transformers_whose_file_is_not_known_may_have_another_implementation():
    assert '"sdpa" or "flex_attention", if the model supports it' in fix_of_written("matmul", LIBRARY)[1]


@pytest.mark.parametrize("dropout", [True, False])
def test_a_dropout_of_the_weights_has_no_fused_kernel_on_a_cpu(dropout):
    assert ("leave out the dropout" in fix_of_written("matmul", dropout=dropout)[1]) is dropout


PUT_IN = replace(FLASH, nodes=("linear", "chunk", "getitem_3", "mul"))
"""A kernel that Inductor's pattern matcher puts in is named after what makes its inputs."""


def test_a_kernel_of_the_pattern_matcher_is_of_the_table_that_it_replaced():
    assert [f.code for f in by_hand(table(), kernels=(PUT_IN,), largest=None).findings] == []
    assert [f.code for f in by_hand(table(), table(), kernels=(PUT_IN,)).findings] == ["CD505"]
    assert [f.code for f in by_hand(table(), table(line=9), kernels=(PUT_IN,)).findings] == []


def test_a_table_that_nothing_allocated_is_not_kept():
    assert [f.code for f in by_hand(table(), largest=TABLE // 16).findings] == []
    assert [f.code for f in by_hand(table(), largest=None).findings] == ["CD505"]  # it was not measured
    assert [f.code for f in by_hand(table("broadcast"), largest=None).findings] == []  # Inductor may fuse it


def test_written_attention_is_unhealthy_if_fused_is_required():
    report = by_hand(table(), required=True)
    assert (report.verdict, exit_code(report, "never")) == ("unhealthy", 1)
    assert report.reason.startswith("Attention keeps every score")
    plain = by_hand(table())
    assert (plain.verdict, exit_code(plain, "error")) == ("healthy", 0)


@pytest.mark.parametrize(
    ("scores", "grows"),
    [((1, 2, 1024, 1025), "the square of the tokens"), ((1, 2, 256, 2048), "queries × keys")],
)
def test_the_scores_of_a_cross_attention_grow_with_both_lengths(scores, grows):
    assert f"grows with {grows}" in fix_of_written("matmul", scores=scores)[0]


def test_a_kernel_without_a_name_may_be_of_the_table_beside_the_call():
    call = in_graph(node(api="sdpa", name="sdpa"), kernels=(replace(FLASH, nodes=()),))
    assert only(watched(call)).lowered is True
    beside = replace(call, graph=replace(call.graph, written=(table(),)))
    assert only(watched(beside)).lowered is None
    two = replace(beside, kernels=(replace(FLASH, nodes=(), calls=2),))
    assert only(watched(two)).lowered is True
