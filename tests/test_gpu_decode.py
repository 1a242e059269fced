"""flex_attention's decoding kernel on a CUDA device: a short query whose projection is in the same graph. No network is needed.

Up to torch 2.14 the kernel reads other rows than the query has (recipes/flex-decode-layout.yaml).
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from test_gpu_attention import cuda  # noqa: F401  # a fixture

pytestmark = pytest.mark.gpu


def worst(torch, kv_heads: int, queries: int, options: dict | None) -> float:
    """The largest difference of compiled and eager logits of the example GPT, prefill of `queries` tokens without a cache."""
    from compile_doctor.examples import gpt

    original = gpt.flex_attention
    if options:
        gpt.flex_attention = lambda *inputs, **given: original(*inputs, **given, kernel_options=options)
    try:
        torch._dynamo.reset()
        torch.manual_seed(0)
        model = gpt.GPT(gpt.Config("flex", kv_heads=kv_heads)).cuda().eval()
        tokens = torch.randint(0, 128, (1, queries), device="cuda")
        with torch.no_grad():
            return (torch.compile(model)(tokens) - model(tokens)).abs().max().item()
    finally:
        gpt.flex_attention = original


@pytest.mark.parametrize("kv_heads", [4, 2, 1], ids=["MHA", "GQA", "MQA"])
def test_the_workaround_of_the_decoding_kernel_is_right(cuda, kv_heads):  # noqa: F811
    assert worst(cuda, kv_heads, 16, {"FORCE_USE_FLEX_ATTENTION": True}) < 1e-2


@pytest.mark.parametrize("kv_heads", [4, 2, 1], ids=["MHA", "GQA", "MQA"])
@pytest.mark.parametrize("queries", [1, 2, 16, 127])
def test_with_its_recipe_the_decoding_kernel_is_right(cuda, kv_heads, queries):  # noqa: F811
    from compile_doctor.recipes import engine
    from compile_doctor.recipes.catalogue import find_recipe, why_not_affected

    affected = not why_not_affected(find_recipe("flex-decode-layout"))
    with engine.applied("flex-decode-layout") if affected else nullcontext():
        assert worst(cuda, kv_heads, queries, None) < 1e-2


@pytest.mark.parametrize("kv_heads", [4, 2, 1], ids=["MHA", "GQA", "MQA"])
@pytest.mark.parametrize("queries", [1, 16])
def test_the_decoding_kernel_is_wrong_where_the_recipe_says_so(cuda, kv_heads, queries):  # noqa: F811
    from compile_doctor.recipes.catalogue import find_recipe, why_not_affected

    affected = queries > 1 and not why_not_affected(find_recipe("flex-decode-layout"))
    assert (worst(cuda, kv_heads, queries, None) > 1e-2) == affected
