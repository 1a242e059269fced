"""Verdicts on attention: where a call is, and what its three pieces of evidence make of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import MODEL, about, compilation, evidence

from compile_doctor.analysis.attention.calls import is_inner, place, sites
from compile_doctor.analysis.attention.growth import verdicts
from compile_doctor.analysis.attention.verdicts import judge
from compile_doctor.capture import load_capture
from compile_doctor.model.attention import (
    AttentionEvidence,
    AttentionNode,
    DenseCall,
    EagerSdpa,
    Graph,
    MaskTable,
    Tensor,
    Window,
    Wrapper,
    Written,
)
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.stacks import Frame
from compile_doctor.report.make import make_report

RECORDED = Path(__file__).parent / "evidence" / "2.13.0"
TORCH = "/venv/site-packages/torch/"
FLEX = TORCH + "nn/attention/flex_attention.py"
INSIDE = Frame(FLEX, 2462, "flex_attention")
CPP = Kernel("flex_attention", "cpp_fused_flex_attention_0", "cpp", 1)
FLASH = Kernel("sdpa", "aten._scaled_dot_product_flash_attention_for_cpu.default", "flash", 1, ("sdpa",))
SCORES = 2 * 512 * 512 * 4
"""Bytes of the float32 scores of `qkv(512)`."""
FAR = SCORES // 4
UNMADE = {"graphs": 0, "guarded": False, "fail_type": "InductorError"}


def tensor(*shape, dtype="float32", device="cpu", kind="Tensor"):
    return Tensor(shape, dtype, device, kind)


def qkv(tokens=512, queries=None, **values):
    key = tensor(1, 2, tokens, 32, **values)
    return tensor(1, 2, queries or tokens, 32, **values), key, key


def node(line=7, api="flex_attention", name=None, inputs=None, stack=None):
    stack = (Frame(MODEL, line, "forward"), INSIDE) if stack is None else stack
    return AttentionNode(api, name or api, stack, inputs or qkv(), "float32")


def in_graph(*nodes, kernels=(CPP,), number=1, backend="inductor", callers=(), **values):
    return compilation(graph=Graph(number, backend, nodes, (), callers), kernels=kernels, **values)


def dense_call(line=7, graph=None, index=None, stack=None, inputs=None, count=1, **values):
    stack = (Frame(MODEL, line, "forward"), INSIDE) if stack is None else stack
    base = {"wrappers": (), "modes": (), "state": {}}
    return DenseCall("7", graph, index, stack, inputs=inputs or qkv(), count=count, **{**base, **values})


def sdpa_ran(line=7, backend="flash", graph=None, peak=FAR, largest=FAR // 2, inputs=None):
    return EagerSdpa("7", graph, (Frame(MODEL, line, "forward"),), backend, inputs or qkv(), peak, largest)


def watched(*compilations, peak=FAR, largest=FAR // 4, runs=1, options=None, window="7:graph:1", **values):
    """A run that the probe watched: the graph 1 ran, and took `peak` bytes."""
    numbers = [c.graph.number for c in compilations if c.graph]
    base = {"watched": True, "measured": True}
    if runs:
        base["ran"] = {("7", number): runs for number in numbers}
    if peak is not None:
        base["windows"] = (Window(window, peak, largest),)
    attention = AttentionEvidence(**{**base, **values})
    return evidence(
        max_difference=0.0,  # compared: else CD702 asks whether it was
        compilations=compilations,
        attention=attention,
        **about(options=options, cwd=""),
    )


def only(found: Evidence, smaller=()):
    (site,) = sites(found)
    return judge(site, found, smaller)


def pieces(verdict):
    return verdict.lowered, verdict.executed, verdict.bounded


# where a call is


def test_a_call_is_at_the_users_line_not_at_torchs():
    (site,) = sites(watched(in_graph(node(line=9))))
    assert (site.frame.file, site.frame.line, site.frame.function) == (MODEL, 9, "forward")


def test_a_call_in_a_package_is_at_the_packages_line():
    package = Frame("/venv/site-packages/lib/layer.py", 4, "attend")
    assert place((Frame(MODEL, 7, "forward"), package, INSIDE), TORCH) == package


def test_a_resumed_frame_has_its_functions_name():
    resumed = Frame(MODEL, 9, "torch_dynamo_resume_in_forward_at_8")
    assert place((resumed,), TORCH).function == "forward"


def test_a_torch_built_from_source_is_torchs_by_its_root():
    stack = (Frame(MODEL, 7, "forward"), Frame("/src/torch/nn/attention/x.py", 1, "f"))
    assert place(stack, "/src/torch/").line == 7
    assert place(stack[1:], "/src/torch/") is None


def test_flex_compiled_alone_is_at_the_line_that_called_it():
    callers = (Frame(MODEL, 3, "<module>"), Frame(MODEL, 17, "attend"), Frame(TORCH + "_dynamo/eval_frame.py", 9, "c"))
    (site,) = sites(watched(in_graph(node(stack=(INSIDE,)), callers=callers)))
    assert (site.frame.line, site.frame.function, len(site.lowerings)) == (17, "attend", 1)


def test_a_call_that_nobody_wrote_is_no_site():
    assert sites(watched(in_graph(node(stack=(INSIDE,))))) == ()


def test_a_dense_call_in_torchs_own_wrapper_graph_is_at_the_line_of_the_python_stack():
    """In eager mode flex_attention compiles a wrapper of its own, whose graph knows no user's line."""
    wrapper = in_graph(
        node(stack=(Frame(FLEX, 2498, "_flex_attention_hop_wrapper"),)),
        backend="eager",
        kernels=None,
        file=FLEX,
        function="_flex_attention_hop_wrapper",
        callers=(Frame(MODEL, 37, "forward"),),
    )
    found = watched(wrapper, dense=(dense_call(line=26, graph=1, index=0),), window="7:dense:0", peak=5 * SCORES)
    verdict = only(found)
    assert is_inner(wrapper)
    assert (verdict.site.frame.line, verdict.site.lowerings) == (26, ())
    assert (verdict.verdict, verdict.backend, verdict.site.peak) == ("dense", None, 5 * SCORES)


def test_the_users_own_function_of_that_name_is_no_wrapper_of_torchs():
    assert not is_inner(compilation(function="_flex_attention_hop_wrapper"))
    assert not is_inner(compilation(file=FLEX, function="flex_attention"))


def test_a_dense_call_in_a_users_graph_is_at_the_line_of_the_node():
    called = in_graph(node(line=7), node(line=9), backend="aot_eager", kernels=None)
    found = watched(called, dense=(dense_call(line=30, graph=1, index=3),))
    assert [(site.frame.line, len(site.dense)) for site in sites(found)] == [(7, 0), (9, 1)]
    assert [one.dense for site in sites(found) for one in site.lowerings] == [0, 1]


def test_layers_that_share_a_line_are_one_site_and_lines_stay_in_order():
    found = watched(in_graph(node(line=9), node(line=7)), in_graph(node(line=9), number=2))
    assert [(site.frame.line, len(site.lowerings)) for site in sites(found)] == [(9, 2), (7, 1)]


def test_flex_and_sdpa_on_one_line_are_two_sites():
    assert [site.api for site in sites(watched(in_graph(node(), node(api="sdpa"))))] == ["flex_attention", "sdpa"]


def test_a_site_has_the_inputs_with_the_most_scores():
    (site,) = sites(watched(in_graph(node(inputs=qkv(64)), node(inputs=qkv(512)), node(inputs=qkv(128)))))
    assert (site.tokens, site.dense_bytes) == (512, SCORES)


def test_scores_of_a_decoding_query_are_counted_by_the_keys():
    (site,) = sites(watched(in_graph(node(inputs=qkv(4096, queries=1)))))
    assert (site.tokens, site.dense_bytes) == (4096, 2 * 1 * 4096 * 4)


def test_sdpa_that_ran_as_python_in_a_graph_is_at_the_line_of_the_node():
    found = watched(in_graph(node(line=9, api="sdpa"), backend="eager"), eager_sdpa=(sdpa_ran(line=30, graph=1),))
    assert [(site.frame.line, len(site.eager)) for site in sites(found)] == [(9, 1)]


def test_memory_is_that_of_the_dense_call_where_it_ran_dense_else_of_the_graph():
    windows = (
        Window("7:graph:1", 5 * SCORES, 5),
        Window("7:dense:0", 4 * SCORES, 4),
        Window("7:dense:1", 6 * SCORES, 6),
        Window("call", 9 * SCORES, 9),
    )
    dense = (dense_call(line=30), dense_call(line=31))
    found = watched(in_graph(node()), dense=dense, windows=windows)
    held = [(site.frame.line, site.peak, site.largest) for site in sites(found)]
    assert held == [(7, 5 * SCORES, 5), (30, 4 * SCORES, 4), (31, 6 * SCORES, 6)]


@pytest.mark.parametrize("peak", [-64, 0, 1, 2 * 512 * 32 * 4 - 1])
def test_a_peak_below_the_size_of_the_output_is_not_a_measurement(peak):
    """CUDA graphs allocate nothing at a replay, and a dispatch mode can take the profiler's mark away."""
    verdict = only(watched(in_graph(node()), peak=peak, largest=peak))
    assert (verdict.verdict, verdict.bounded, verdict.site.peak) == ("unverified", None, None)
    assert "could not be measured: the profiler recorded" in verdict.reasons["bounded"]


def test_memory_at_a_smaller_size_proves_nothing_about_a_larger_one():
    """Two lengths at one line, in two graphs, of which only the one for 256 tokens was measured."""
    small, large = (in_graph(node(inputs=qkv(tokens)), number=number) for number, tokens in ((1, 256), (2, 512)))
    verdict = only(watched(small, large))
    assert (verdict.verdict, verdict.bounded, verdict.site.peak) == ("unverified", None, None)
    assert only(watched(small, large, window="7:graph:2")).verdict == "fused"


@pytest.mark.parametrize("kernels", [(FLASH,), ()], ids=["fused", "math"])
def test_a_call_in_a_side_of_cond_is_not_known_to_run(kernels):
    inside = replace(node(api="sdpa", name="sdpa"), conditional=True)
    verdict = only(watched(in_graph(inside, kernels=kernels)))
    assert (verdict.verdict, verdict.executed) == ("unverified", None)
    assert "torch.cond" in verdict.reasons["executed"]


def test_a_mask_as_large_as_the_scores_is_the_reason_that_memory_tells_nothing():
    table = MaskTable("7", 1, "sdpa", (1, 2, 512, 512), "float32", SCORES, "other")
    graph = in_graph(node(api="sdpa", name="sdpa"), kernels=(FLASH,))
    found = watched(graph, peak=SCORES + FAR, largest=SCORES, tables=(table,))
    assert only(found).reasons["bounded"].startswith("its attn_mask is a table of 2.1 MB")
    other = watched(graph, peak=SCORES + FAR, largest=SCORES, tables=(replace(table, graph=2),))
    assert "what surrounds the attention" in only(other).reasons["bounded"]


def test_a_backward_that_ran_is_measured_too_or_nothing_is_proven():
    forward, backward = Window("7:graph:1", FAR, FAR // 4), Window("7:backward:1", 3 * SCORES, SCORES)
    ran = watched(in_graph(node()), windows=(forward,), backwards=(("7", 1),), peak=None)
    assert only(ran).verdict == "unverified"
    assert only(ran).reasons["bounded"] == "its backward ran too, and the memory of that was not measured"
    measured = watched(in_graph(node()), windows=(forward, backward), backwards=(("7", 1),), peak=None)
    assert (only(measured).verdict, only(measured).site.peak) == ("unverified", 3 * SCORES)
    small = watched(in_graph(node()), windows=(forward, replace(backward, peak=FAR, largest=FAR // 4)), peak=None)
    assert only(small).verdict == "fused"
    of_another = watched(in_graph(node()), windows=(forward,), backwards=(("7", 2),), peak=None)
    assert only(of_another).verdict == "fused"


def test_what_a_command_needs_for_a_measurement_is_said():
    found = watched(in_graph(node()), peak=None, measured=False)
    asked = replace(found.asked, command=("python", "train.py"))
    assert only(replace(found, asked=asked)).reasons["bounded"].endswith(": run --memory measures it")
    measuring = replace(found, asked=replace(asked, memory=True))
    assert "at the size at which its graph was compiled" in only(measuring).reasons["bounded"]


def test_the_kernel_of_another_function_proves_nothing():
    """MultiheadAttention's flash kernel beside an SDPA call that goes to math."""
    other = Kernel(
        "sdpa",
        "aten._scaled_dot_product_flash_attention_for_cpu.default",
        "flash",
        1,
        ("multi_head_attention_forward",),
    )
    own = replace(other, nodes=("transpose_3", "scaled_dot_product_attention"))
    call = node(api="sdpa", name="scaled_dot_product_attention")
    assert only(watched(in_graph(call, kernels=(other,)))).verdict == "dense"
    assert only(watched(in_graph(call, kernels=(other, own)))).verdict == "fused"
    assert only(watched(in_graph(call, kernels=(replace(other, nodes=()),)))).verdict == "fused"


# the verdict


def test_fused_takes_all_three_pieces():
    verdict = only(watched(in_graph(node())))
    assert (verdict.verdict, pieces(verdict), verdict.reasons) == ("fused", (True, True, True), {})
    assert (verdict.kernel, verdict.backend) == ("cpp_fused_flex_attention_0", "inductor")


def test_dense_is_what_was_seen_at_the_operator():
    verdict = only(watched(dense=(dense_call(count=2), dense_call(count=3)), window="7:dense:0", peak=5 * SCORES))
    assert (verdict.verdict, pieces(verdict)) == ("dense", (False, False, False))
    assert verdict.reasons["executed"].endswith("5×")
    assert (verdict.kernel, verdict.backend) == (None, None)


def test_mixed_is_a_line_that_ran_both_ways():
    verdict = only(watched(in_graph(node()), dense=(dense_call(),)))
    assert (verdict.verdict, verdict.lowered, verdict.executed) == ("mixed", True, False)


def test_a_graph_whose_own_calls_ran_dense_is_no_fused_run():
    """A graph that was lowered, and whose operator was called all the same."""
    verdict = only(watched(in_graph(node(), backend="custom"), dense=(dense_call(graph=1, index=0),)))
    assert verdict.verdict == "dense"


@pytest.mark.parametrize(
    ("found", "piece", "words"),
    [
        (watched(in_graph(node(), kernels=None)), "lowered", "no generated code for its graph"),
        (watched(in_graph(node(), kernels=())), "lowered", "has no fused kernel for this call"),
        (watched(in_graph(node(), kernels=None, **UNMADE), peak=None), "lowered", "could not be compiled"),
        (watched(in_graph(node()), runs=0), "executed", "was compiled, but did not run under the probe"),
        (watched(in_graph(node()), runs=0, watched=False), "executed", "no probe watched"),
        (watched(in_graph(node()), peak=None), "bounded", "was not measured"),
        (watched(in_graph(node()), peak=None, not_measured="out of time"), "bounded", "measured: out of time"),
        (watched(in_graph(node(inputs=(None, None, None)))), "bounded", "shapes are unknown"),
        (watched(in_graph(node()), peak=SCORES, largest=SCORES), "bounded", "diagnose with --tokens N"),
        (watched(eager_sdpa=(sdpa_ran(backend=None),)), "lowered", "outside a graph"),
    ],
)
def test_a_missing_piece_leaves_it_unverified_and_says_why(found, piece, words):
    verdict = only(found)
    assert verdict.verdict == "unverified"
    assert getattr(verdict, piece) is not True
    assert words in verdict.reasons[piece]


def test_a_piece_that_is_known_has_no_reason():
    for found in (watched(in_graph(node()), peak=None), watched(in_graph(node()), runs=0), watched(in_graph(node()))):
        verdict = only(found)
        known = {name for name in ("lowered", "executed", "bounded") if getattr(verdict, name) is True}
        assert not known & set(verdict.reasons)


def test_a_kernel_without_a_run_is_not_fused():
    verdict = only(watched(in_graph(node()), runs=0))
    assert pieces(verdict) == (True, None, True)


def test_a_recompiled_call_that_failed_is_not_lowered():
    verdict = only(watched(in_graph(node()), in_graph(node(), number=2, **UNMADE)))
    assert (verdict.verdict, verdict.lowered) == ("unverified", None)
    assert verdict.reasons["lowered"] == "its graph could not be compiled"


def test_a_backend_that_was_asked_for_makes_it_unverified_not_dense():
    """`diagnose --backend eager` runs everything dense: that is no fault of the model."""
    called = in_graph(node(), backend="eager", kernels=None)
    dense = (dense_call(graph=1, index=0),)
    verdict = only(watched(called, dense=dense, options={"backend": "eager"}, peak=5 * SCORES))
    assert (verdict.verdict, verdict.lowered, verdict.site.dense) == ("unverified", None, ())
    assert verdict.reasons["lowered"] == "backend eager generates no code: run diagnose without --backend"
    assert only(watched(called, dense=dense)).verdict == "dense"  # the model's own choice of a backend
    assert only(watched(called, dense=dense, options={"backend": "inductor"})).verdict == "dense"


def test_a_target_that_runs_as_it_is_has_not_been_given_a_backend():
    found = watched(in_graph(node(), backend="eager", kernels=None), dense=(dense_call(graph=1, index=0),))
    as_is = evidence(
        compilations=found.compilations,
        attention=found.attention,
        **about(options={"backend": "eager"}, as_is=True),
    )
    assert only(as_is).verdict == "dense"


def test_dense_outside_of_graphs_is_dense_under_any_backend():
    assert only(watched(dense=(dense_call(),), options={"backend": "eager"})).verdict == "dense"


# memory


@pytest.mark.parametrize(
    ("peak", "largest", "bounded"),
    [
        (SCORES // 2, SCORES // 2, True),  # far below the scores
        (SCORES // 2 + 1, SCORES // 4 - 1, True),  # nothing in it is as large as scores in bfloat16 would be
        (SCORES // 2 + 1, SCORES // 4, None),
        (SCORES - 1, SCORES // 8, True),
        (SCORES, SCORES // 8, True),  # a training step: more than the scores, in small pieces
        (5 * SCORES, SCORES // 4 - 1, True),
        (5 * SCORES, SCORES // 4, None),
        (5 * SCORES, 0, None),  # no allocation was seen
        (5 * SCORES, SCORES, None),  # one size cannot tell dense from a large model around it
    ],
)
def test_bounded_at_a_single_size(peak, largest, bounded):
    assert only(watched(in_graph(node()), peak=peak, largest=largest)).bounded is bounded


@pytest.mark.parametrize(
    ("exponent", "peak", "bounded"),
    [
        (1.0, FAR, True),
        (1.49, FAR, True),
        (1.51, FAR, None),
        (2.0, FAR, None),  # still too small to matter: a larger size has to tell
        (1.0, SCORES, None),
        (1.69, 5 * SCORES, None),
        (1.71, 5 * SCORES, False),
        (2.0, 5 * SCORES, False),
    ],
)
def test_bounded_by_growth(exponent, peak, bounded):
    (small,) = sites(watched(in_graph(node(inputs=qkv(128))), peak=round(peak / 4**exponent)))
    verdict = only(watched(in_graph(node()), peak=peak, largest=peak), [small])
    assert verdict.bounded is bounded
    assert math.isclose(verdict.growth, exponent, abs_tol=0.005)
    assert (verdict.verdict == "fused") == (bounded is True)
    assert ("power of the tokens" in verdict.reasons.get("bounded", "")) == (bounded is not True)


def test_growth_is_from_the_next_smaller_size_that_was_measured():
    smaller = [
        sites(watched(in_graph(node(inputs=qkv(tokens))), peak=peak))[0]
        for tokens, peak in ((64, 1), (128, FAR // 4), (256, None), (512, FAR))
    ]
    assert only(watched(in_graph(node())), smaller).growth == pytest.approx(1.0)
    assert only(watched(in_graph(node())), smaller[2:]).growth is None


def test_what_ran_dense_is_not_bounded_however_small():
    (small,) = sites(watched(dense=(dense_call(inputs=qkv(128)),), window="7:dense:0", peak=FAR // 4))
    verdict = only(watched(dense=(dense_call(),), window="7:dense:0", peak=FAR), [small])
    assert (verdict.bounded, verdict.reasons["bounded"]) == (False, "the dense path ran")


# which call has which kernel


def test_fewer_kernels_than_calls_leave_it_open():
    found = watched(in_graph(node(line=7), node(line=9)))
    assert [one.lowered for one in verdicts((), found)] == [None, None]
    assert [one.verdict for one in verdicts((), found)] == ["unverified"] * 2


def test_fewer_kernels_than_calls_are_told_apart_by_the_nodes_that_torch_names():
    calls = node(line=7, api="sdpa", name="math"), node(line=9, api="sdpa", name="sdpa")
    found = verdicts((), watched(in_graph(*calls, kernels=(FLASH,))))
    assert [(one.site.frame.line, one.verdict, one.kernel) for one in found] == [
        (7, "dense", None),
        (9, "unverified", FLASH.name),
    ]
    assert "another attention call of the same graph runs dense" in found[1].reasons["bounded"]


def test_a_call_that_runs_again_in_the_backward_is_no_kernel_of_its_neighbour():
    """A checkpointed call of flash has its operator in the forward and in the backward; the call beside it has none."""
    flash = replace(FLASH, nodes=("scaled_dot_product_attention",))
    calls = [node(line=line, api="sdpa", name=name) for line, name in ((7, flash.nodes[0]), (9, f"{flash.nodes[0]}_1"))]
    found = verdicts((), watched(in_graph(*calls, kernels=(flash, flash))))
    assert [(one.site.frame.line, one.lowered) for one in found] == [(7, True), (9, False)]


def test_a_kernel_that_is_called_twice_is_there_for_two_calls():
    twice = Kernel("flex_attention", "cpp_fused_1", "cpp", 2)
    found = watched(in_graph(node(line=7), node(line=9), kernels=(twice,)))
    assert [one.lowered for one in verdicts((), found)] == [True, True]


def test_a_kernel_of_the_other_api_is_none_of_this():
    assert only(watched(in_graph(node(), kernels=(FLASH,)))).lowered is False


# scaled_dot_product_attention


def test_sdpa_outside_of_graphs_is_fused_by_the_operator_that_ran():
    verdict = only(watched(eager_sdpa=(sdpa_ran(),)))
    assert (verdict.verdict, pieces(verdict), verdict.backend) == ("fused", (None, True, True), "flash")


def test_sdpa_outside_of_graphs_is_dense_by_the_math_operator():
    verdict = only(watched(eager_sdpa=(sdpa_ran(backend="math", peak=FAR),)))
    assert (verdict.verdict, verdict.executed, verdict.bounded, verdict.backend) == ("dense", False, False, "math")
    assert verdict.reasons["executed"] == "the math operator ran"


def test_sdpa_that_took_both_operators_is_mixed():
    assert only(watched(eager_sdpa=(sdpa_ran(), sdpa_ran(backend="math")))).verdict == "mixed"


@pytest.mark.parametrize(
    ("backend", "peak", "ends", "verdict", "ran"),
    [
        ("flash", FAR, (1, 512, 512), "fused", "flash"),
        ("cudnn", FAR, (1, 512, 512), "fused", "cudnn"),
        ("flash", SCORES, (1, 512, 512), "unverified", "flash"),  # a kernel of the operator that keeps the scores
        ("flash", FAR, (4, 128, 128), "unverified", "flash"),  # the sequences' own scores are no larger than that
        ("flash", FAR, (), "fused", "flash"),  # how many sequences there are is not known
        (None, FAR, (1, 512, 512), "unverified", None),
    ],
)
def test_varlen_attn_outside_of_graphs(backend, peak, ends, verdict, ran):
    call = replace(sdpa_ran(backend=backend, peak=peak, largest=peak), api="varlen_attn", lengths=ends)
    found = only(watched(eager_sdpa=(call,)))
    assert (found.site.api, found.verdict, found.backend, found.implementation) == ("varlen_attn", verdict, ran, ran)


def test_what_was_called_outside_of_graphs_has_nothing_around_it():
    verdict = only(watched(eager_sdpa=(sdpa_ran(peak=SCORES, largest=SCORES),)))
    assert "the call itself needs as much memory" in verdict.reasons["bounded"]


def test_sdpa_and_varlen_attn_on_one_line_are_two_calls():
    found = sites(watched(eager_sdpa=(sdpa_ran(), replace(sdpa_ran(), api="varlen_attn"))))
    assert [one.api for one in found] == ["sdpa", "varlen_attn"]


def test_sdpa_in_a_graph_without_a_kernel_ran_math():
    called = in_graph(node(api="sdpa"), kernels=())
    verdict = only(watched(called, peak=2 * SCORES))
    assert (verdict.verdict, pieces(verdict), verdict.backend) == ("dense", (False, False, False), "math")
    assert set(verdict.reasons) == {"lowered", "executed", "bounded"}
    assert only(watched(called, runs=0)).verdict == "unverified"  # compiled, and never seen to run


def test_sdpa_in_a_graph_is_fused_by_its_kernel():
    verdict = only(watched(in_graph(node(api="sdpa", name="sdpa"), kernels=(FLASH,))))
    assert (verdict.verdict, verdict.kernel, verdict.backend) == ("fused", FLASH.name, "flash")


def test_flex_without_a_kernel_is_not_called_dense_unless_it_was_seen():
    assert only(watched(in_graph(node(), kernels=()))).verdict == "unverified"


# devices


CUDA = qkv(device="cuda")
TRITON = Kernel("flex_attention", "triton_tem_fused_flex_attention_0", "triton", 1)
ON_GPU = {
    "flex": (in_graph(node(inputs=CUDA), kernels=(TRITON,)), {}),
    "sdpa": (in_graph(node(api="sdpa", inputs=CUDA), kernels=(FLASH,)), {}),
    "sdpa in eager": (compilation(), {"eager_sdpa": (sdpa_ran(backend="efficient", inputs=CUDA),)}),
}


@pytest.mark.parametrize(
    ("name", "ran", "executed"),
    [
        ("flex", TRITON.name, True),
        ("flex", "void flash_fwd_kernel<64>", None),
        ("sdpa", "void flash_fwd_kernel<64>", True),
        ("sdpa", TRITON.name, None),
        ("sdpa in eager", "fmha_cutlassF_f32_aligned_64x64_rf_sm80", True),
        ("sdpa in eager", "void flash_fwd_kernel<64>", None),
    ],
)
def test_on_cuda_the_profiler_has_to_have_seen_the_sites_own_kernel(name, ran, executed):
    called, values = ON_GPU[name]
    windows = (Window("7:graph:1", FAR, FAR // 4), Window("call", FAR, FAR // 4, (ran,)))
    verdict = only(watched(called, windows=windows, **values))
    assert (verdict.executed, verdict.verdict) == (executed, "fused" if executed else "unverified")
    assert ("executed" in verdict.reasons) == (executed is None)


def test_on_cuda_without_the_profilers_events_a_run_is_what_is_known():
    called, _ = ON_GPU["flex"]
    assert only(watched(called, measured=False)).executed is True
    assert only(watched(called)).executed is None


@pytest.mark.parametrize("name", ["attn-flex-alone", "attn-sdpa-causal", "attn-sdpa-disabled", "attn-window-block"])
def test_a_run_on_cpu_says_nothing_of_cuda(name):
    (verdict,) = verdicts((), load_capture(RECORDED / f"{name}.zip"))
    assert (verdict.verdict, verdict.site.kernels_ran) == ("fused", ())
    assert {tensor.device for tensor in verdict.site.inputs} == {"cpu"}
    assert verdict.backend in ("inductor", "flash")


@pytest.mark.parametrize(
    ("name", "expected", "shown"),
    [
        ("attn-two-sites", ["fused", "dense"], [(True, True, True), (False, False, False)]),
        ("attn-new-mask-per-call", ["mixed"], [(True, False, None)]),
        ("attn-inner-aot-eager", ["dense"], [(None, False, False)]),
        ("attn-linear-query-defect", ["unverified"], [(None, None, None)]),
        ("attn-sdpa-dropout", ["dense"], [(False, False, False)]),
        ("cd301-silent", ["unverified"], [(None, None, None)]),
        ("attn-handwritten", [], []),
    ],
)
def test_recorded_verdicts(name, expected, shown):
    found = verdicts((), load_capture(RECORDED / f"{name}.zip"))
    assert [one.verdict for one in found] == expected
    assert [pieces(one) for one in found] == shown


def test_wrappers_do_not_move_a_dense_call():
    wrapped = dense_call(line=9, wrappers=(Wrapper("flex_attention", "torch.nn.attention.flex_attention", True),))
    assert [site.frame.line for site in sites(watched(dense=(wrapped,)))] == [9]


def test_flex_without_a_kernel_that_we_know_is_not_called_dense():
    """A newer torch may lower it in a way that we do not recognise: unverified, and no finding about memory."""
    found = watched(in_graph(node(), kernels=()))
    verdict = only(found)
    assert (verdict.verdict, verdict.lowered, verdict.executed) == ("unverified", False, True)
    assert not [one.code for one in make_report(found).findings if one.code == "CD502"]


def test_sdpa_calls_of_a_graph_that_runs_as_python_go_to_their_own_nodes():
    graph = in_graph(node(7, "sdpa"), node(9, "sdpa"), kernels=(), backend="eager")
    found = watched(graph, options={"backend": "eager"})
    ran = (sdpa_ran(7, "flash", graph=1), sdpa_ran(9, "math", graph=1))
    found = replace(found, attention=replace(found.attention, eager_sdpa=ran))
    assert [(one.frame.line, [call.backend for call in one.eager]) for one in sites(found)] == [
        (7, ["flash"]),
        (9, ["math"]),
    ]


@pytest.mark.parametrize(
    ("asked", "used", "noted"), [(True, False, True), (True, True, False), (True, None, False), (False, False, False)]
)
def test_tma_that_was_asked_for_and_turned_off_is_a_note(asked, used, noted):
    kernel = Kernel("flex_attention", "triton_tem_fused_0", "triton", 1, tma=used)
    report = make_report(watched(in_graph(replace(node(), tma=asked), kernels=(kernel,))))
    assert any("asks for TMA" in note and "model.py:7" in note for note in report.notes) is noted


def test_code_from_the_cache_names_the_nodes_of_another_program():
    """The same operators under other names: whose code the cache has is not known from its comments."""
    kernel = replace(FLASH, nodes=("ret", "ret_1"))
    call = node(api="sdpa", name="scaled_dot_product_attention")
    cached = in_graph(call, kernels=(kernel,), cache=("aotautograd_cache_miss", "fx_graph_cache_hit"))
    assert only(watched(cached)).verdict == "fused"
    assert only(watched(in_graph(call, kernels=(kernel,)))).verdict == "dense"
    two = in_graph(call, node(9, "sdpa", "scaled_dot_product_attention_1"), kernels=(kernel,), cache=cached.cache)
    assert [one.lowerings[0].lowered for one in sites(watched(two))] == [None, None]
    weights = Written("weights", ("ret",), (), (1, 2, 512, 512), 1, "float32")
    beside = replace(cached, graph=replace(cached.graph, written=(weights,)))
    assert only(watched(beside)).verdict == "dense"


# attention that is written out
