"""What is read from an FX graph, without compiling anything."""

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
