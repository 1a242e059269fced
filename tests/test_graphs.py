"""What is read from an FX graph, without compiling anything."""

import importlib

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F

from compile_doctor.probe.observe.graphs import attention_nodes


def test_calls_in_a_sub_graph_come_where_it_is_used():
    """A checkpointed layer before a plain one: its body is a module of its own, behind all nodes of the root."""
    body = torch.fx.symbolic_trace(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True))
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    held = graph.get_attr("body")
    y = graph.call_function(torch.utils.checkpoint.checkpoint, (held, x))
    graph.output(graph.call_function(F.scaled_dot_product_attention, (y, y, y)))
    found = attention_nodes(torch.fx.GraphModule({"body": body}, graph))
    assert [one["options"].get("is_causal", False) for one in found] == [True, False]


@pytest.mark.parametrize(
    ("shapes", "given", "same"),
    [
        ([(2, 8), (3,)], [(2, 8), (3,)], True),
        ([(2, 8), (3,)], [(2, 16), (3,)], False),
        ([(2, 8)], [(2, 8), (3,)], False),
        ([(2, -1)], [(2, 77)], True),  # a size that no input decides has no value at tracing
    ],
)
def test_a_call_has_the_sizes_of_the_tracing_or_it_is_not_measured(tmp_path, shapes, given, same):
    from compile_doctor.probe.observe.attention import Observer
    from compile_doctor.probe.observe.events import EventLog

    observer = Observer(EventLog(tmp_path))
    observer._traced[1] = shapes
    assert observer._has_traced_sizes(1, tuple(torch.empty(one) for one in given)) is same


def test_the_sizes_of_a_graph_are_those_of_its_inputs_in_order():
    from compile_doctor.probe.observe.graphs import traced_sizes

    graph = torch.fx.Graph()
    for name, value in (("x", torch.empty(2, 8)), ("n", 5), ("flag", None)):
        graph.placeholder(name).meta["example_value"] = value
    graph.output(())
    assert traced_sizes(torch.fx.GraphModule({}, graph)) == [(2, 8), (5,), ()]


@pytest.mark.parametrize(("given", "seen"), [({"USE_TMA": True}, True), ({"USE_TMA": False}, False), ({}, None)])
def test_what_kernel_options_say_about_tma(given, seen):
    operator = importlib.import_module("torch._higher_order_ops.flex_attention").flex_attention
    graph = torch.fx.Graph()
    q = graph.placeholder("q")
    graph.output(graph.call_function(operator, (q, q, q, None, (), 1.0, given)))
    (found,) = attention_nodes(torch.fx.GraphModule({}, graph))
    assert found.get("tma") is seen
