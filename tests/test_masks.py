"""Tables of queries × keys that a graph passes to SDPA: what they equal, and how they are computed again from the inputs."""

from __future__ import annotations

import operator

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F

from compile_doctor.probe.observe.masks import described, mask_readers, pattern

S = 64
ALL = torch.ones(S, S, dtype=torch.bool)
VALID = torch.arange(S)[None, None, None] < torch.tensor([S, 40])[:, None, None, None]
DOCUMENTS = (torch.arange(S)[:, None] // 20 == torch.arange(S)[None] // 20).contiguous()


def as_float(mask, hidden=float("-inf")):
    return torch.zeros(mask.shape).masked_fill(~mask, hidden)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (ALL, "none"),
        (ALL.tril(), "causal"),
        (ALL.tril()[None, None].repeat(2, 4, 1, 1), "causal"),
        (as_float(ALL.tril()), "causal"),
        (as_float(ALL.tril(), torch.finfo(torch.float16).min).half(), "causal"),
        (ALL.tril() & ALL.triu(-9), "window"),
        (VALID.expand(2, 1, S, S).contiguous(), "padding"),
        (ALL.tril() & VALID, "causal-padding"),
        (VALID.expand(2, 1, S, S), "other"),  # it is no table in memory
        (DOCUMENTS, "other"),
        (DOCUMENTS & ALL.tril(), "other"),
        (ALL.tril().T.contiguous(), "other"),
        (ALL.triu(-9) & ALL.tril(9), "other"),  # a window both ways
        (as_float(ALL.tril()) + 0.5, "other"),  # a bias
        (torch.ones(S, 2 * S, dtype=torch.bool).tril(S), "other"),  # after a cache: is_causal means another mask
        (ALL.tril().index_fill(0, torch.tensor([3]), True), "other"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_a_mask_equals(mask, expected):
    assert pattern(mask) == expected


def test_an_expanded_dimension_takes_no_memory():
    mask = torch.zeros(1, 1, S, S).expand(2, 4, S, S)
    assert described(mask)["bytes"] == S * S * 4


def attention_graph(make, *inputs):
    """A graph as Dynamo passes it on: the inputs are q and those of `make`, which adds the nodes of the mask."""
    graph = torch.fx.Graph()
    q = graph.placeholder("q")
    q.meta["example_value"] = torch.empty(1, 1, 1024, 8)
    given = []
    for number, value in enumerate(inputs):
        given.append(graph.placeholder(f"x{number}"))
        given[-1].meta["example_value"] = value
    mask = make(graph, *given)
    mask.meta["example_value"] = torch.empty(1024, 1024, dtype=torch.bool)
    graph.output(graph.call_function(F.scaled_dot_product_attention, (q, q, q), {"attn_mask": mask}))
    return torch.fx.GraphModule({}, graph)


def test_a_mask_is_computed_again_from_the_inputs_of_its_graph():
    stored = torch.ones(2048, 2048, dtype=torch.bool).tril()

    def make(graph, kept):
        return graph.call_function(
            torch.ops.aten.slice.Tensor, (graph.call_method("narrow", (kept, 0, 0, 1024)), 1, 0, 1024)
        )

    module = attention_graph(make, stored)
    ((name, read),) = mask_readers(module).items()
    module.graph.erase_node(next(node for node in module.graph.nodes if node.op == "output"))  # a backend may change it
    found = described(read((torch.empty(1, 1, 1024, 8), stored)))
    assert name == "scaled_dot_product_attention"
    assert (found["pattern"], found["shape"], found["bytes"]) == ("causal", [1024, 1024], 1024 * 1024)


def test_a_random_mask_is_not_computed_again():
    assert not mask_readers(attention_graph(lambda graph: graph.call_function(torch.rand, (1024, 1024))))


@pytest.mark.parametrize("view", [False, True], ids=["itself", "a view"])
def test_a_mask_that_is_written_into_is_not_computed_again(view):
    """Computed again without the writing it would hide nothing; with it, it would be written into twice."""

    def make(graph, kept):
        written = graph.call_method("narrow", (kept, 0, 0, 512)) if view else kept
        graph.call_method("fill_", (written, False))
        return graph.call_method("narrow", (kept, 0, 0, 1024))

    assert not mask_readers(attention_graph(make, torch.ones(2048, 1024, dtype=torch.bool)))


@pytest.mark.parametrize(
    "write", [operator.iand, operator.ior, operator.iadd, operator.imul, operator.ipow, operator.setitem]
)
def test_a_mask_that_an_operator_writes_into_is_not_computed_again(write):
    """`mask &= seen` on an input of the graph: to compute it again would write into the program's own tensor."""

    def make(graph, kept, other):
        result = graph.call_function(write, (kept, other) if write is not operator.setitem else (kept, 0, other))
        return kept if write is operator.setitem else result

    assert not mask_readers(attention_graph(make, *(torch.ones(1024, 1024, dtype=torch.bool) for _ in range(2))))


@pytest.mark.parametrize("combine", [operator.and_, operator.or_])
def test_operators_that_write_nothing_are_computed_again(combine):
    def make(graph, kept, other):
        return graph.call_function(combine, (kept, other))

    masks = [torch.ones(1024, 1024, dtype=torch.bool).tril() for _ in range(2)]
    (read,) = mask_readers(attention_graph(make, *masks)).values()
    assert described(read((torch.empty(1, 1, 1024, 8), *masks)))["pattern"] == "causal"
