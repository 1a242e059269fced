"""The models that people bring: each does in eager mode what it says, and compiles to what it does in eager mode."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import run_doctor
from torch._dynamo.testing import CompileCounter

from compile_doctor.examples import flash_attn_layers, gpt, packed_block, sdpa_migrated

GPTS = ("build_model", "gqa", "mqa", "flex", "gqa_flex", "mqa_flex")


@pytest.fixture(autouse=True)
def _no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


# ---------------------------------------------------------------- gpt


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("chunk", [1, 3, 16])
@pytest.mark.parametrize("name", GPTS)
def test_decoding_in_chunks_gives_the_logits_of_the_full_run(name, chunk):
    model = getattr(gpt, name)()
    inputs = gpt.example_inputs(tokens=20)
    torch.testing.assert_close(gpt.incremental(model, inputs, chunk), gpt.full(model, inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_a_cache_across_blocks_of_the_mask():
    model = gpt.gqa_flex()
    inputs = gpt.example_inputs(tokens=300)
    torch.testing.assert_close(gpt.incremental(model, inputs, 100), gpt.full(model, inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ["build_model", "gqa", "mqa"])
def test_flex_attention_and_sdpa_are_the_same_gpt(name):
    model = getattr(gpt, name)()
    other = getattr(gpt, "flex" if name == "build_model" else f"{name}_flex")()
    other.load_state_dict(model.state_dict())
    inputs = gpt.example_inputs(tokens=200)
    torch.testing.assert_close(gpt.full(other, inputs), gpt.full(model, inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.compile
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ["gqa", "gqa_flex"])
def test_no_step_of_decoding_is_compiled_again(name):
    torch._dynamo.reset()
    model, compiled = getattr(gpt, name)(), CompileCounter()
    inputs = gpt.example_inputs(tokens=12)
    for _ in range(2):  # with a cache each
        gpt.incremental(torch.compile(model, backend=compiled), inputs, 1)
    assert compiled.frame_count == 2, "one graph for the prefill, one for every step"


def test_a_later_token_changes_no_earlier_logits():
    model = gpt.build_model()
    (tokens,) = gpt.example_inputs(tokens=20)
    changed = tokens.clone()
    changed[:, 12] += 1
    changed %= gpt.Config().vocabulary
    differs = (model(tokens) - model(changed)).abs().amax((0, 2)) > 0
    assert differs.tolist() == [False] * 12 + [True] * 8


@pytest.mark.parametrize(
    ("queries", "keys", "position"), [(300, 300, 0), (1, 512, 127), (1, 512, 128), (140, 700, 120)]
)
def test_the_causal_mask_holds_the_blocks_that_are_seen_and_no_others(queries, keys, position):
    place = torch.arange(position, position + queries)
    mask = gpt.causal_mask(place, keys, gpt.causal_from(torch.tensor(position)))
    seen = place[:, None] >= torch.arange(keys)
    padded = torch.zeros(-(-queries // 128) * 128, -(-keys // 128) * 128, dtype=torch.bool)
    padded[:queries, :keys] = seen
    blocks = padded.unflatten(0, (-1, 128)).unflatten(-1, (-1, 128)).any(1).any(-1)
    assert mask.to_dense()[0, 0].bool().tolist() == blocks.tolist()
    for row in range(len(blocks)):
        start = row * 128
        whole = mask.full_kv_indices[0, 0, row, : mask.full_kv_num_blocks[0, 0, row]]
        for block in whole.tolist():
            assert seen[start : start + 128, block * 128 : block * 128 + 128].all()


# ---------------------------------------------------------------- packed_block


def a_packed_batch() -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([[130, 70, 100], [20, 250, 30]])
    document = torch.stack([torch.arange(3).repeat_interleave(row) for row in lengths])
    return torch.randn(2, 300, packed_block.WIDTH), document


def plainly(model: packed_block.Model, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """The blocks with a table of tokens × tokens, (batch, 1, tokens, tokens)."""

    def attend(q, k, v, mask):
        return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen, float("-inf")).softmax(-1) @ v

    for block in model.blocks:
        block.attend = attend
        x = block(x)
        del block.attend
    return x


def test_without_configuration_the_block_is_the_sdpa_block():
    drop_in = packed_block.build_model()
    plain = torch.nn.Sequential(*(packed_block.Block() for _ in range(packed_block.LAYERS)))
    plain.load_state_dict({name.removeprefix("blocks."): value for name, value in drop_in.state_dict().items()})
    x, document = a_packed_batch()
    assert torch.equal(drop_in(x, document), plain(x))


@pytest.mark.parametrize("name", ["packed", "windowed", "packed_windowed"])
def test_state_dicts_fit_both_ways(name):
    switched, default = getattr(packed_block, name)(), packed_block.build_model()
    switched.load_state_dict(default.state_dict())
    default.load_state_dict(switched.state_dict())


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("window", [None, 1, 128])
def test_packing_and_window_are_what_a_table_says(packed, window):
    model = packed_block.Model(packed_block.Config(packed, window))
    x, document = a_packed_batch()
    place = torch.arange(300)
    seen = (place[:, None] >= place) & (place[:, None] - place < (window or 300))
    seen = seen.expand(2, 1, 300, 300)
    if packed:
        seen = seen & (document[:, None, :, None] == document[:, None, None, :])
    torch.testing.assert_close(model(x, document), plainly(model, x, seen), atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- sdpa_migrated


def flash_attention(q, k, v, causal=False):
    """What flash-attn documents: (batch, tokens, heads, dim), query head h reads key head h // (heads / key heads)."""
    group = q.shape[2] // k.shape[2]
    out = torch.empty_like(q)
    for head in range(q.shape[2]):
        scores = q[:, :, head] @ k[:, :, head // group].mT / q.shape[-1] ** 0.5
        if causal:
            last = k.shape[1] - q.shape[1] + torch.arange(q.shape[1])  # aligned to the bottom right
            scores = scores.masked_fill(torch.arange(k.shape[1]) > last[:, None], float("-inf"))
        out[:, :, head] = scores.softmax(-1) @ v[:, :, head // group]
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("groups", [8, 2, 1])
def test_the_migrated_call_is_flash_attention(groups, causal):
    q, k, v = torch.randn(2, 30, 8, 16), torch.randn(2, 30, groups, 16), torch.randn(2, 30, groups, 16)
    expected = flash_attention(q, k, v, causal)
    torch.testing.assert_close(sdpa_migrated.attend(q, k, v, causal), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(flash_attn_layers.attend(q, k, v, causal), expected, atol=1e-5, rtol=1e-5)


def test_the_layers_before_and_after_are_the_same():
    before, after = flash_attn_layers.build_model(), sdpa_migrated.build_model()
    after.load_state_dict(before.state_dict())
    (x,) = sdpa_migrated.example_inputs(tokens=50)
    assert torch.equal(before(x), after(x))


def test_experts_are_chosen_by_the_weights_of_attention():
    layer = sdpa_migrated.experts_only()
    x = torch.randn(2, 5, sdpa_migrated.WIDTH)
    q = layer.query(x).unflatten(-1, (8, 16))
    votes = [
        (q[:, :, head] @ layer.keys[:, head // 4].mT / 4).softmax(-1) for head in range(8)
    ]  # (batch, tokens, experts)
    weights = torch.stack(votes).mean(0)
    torch.testing.assert_close(layer.weights(x), weights, atol=1e-6, rtol=1e-5)
    expected = torch.zeros_like(x)
    for row in range(2):
        for token in range(5):
            best = weights[row, token].argsort(descending=True)[:2]
            for expert in best:
                share = weights[row, token, expert] / weights[row, token, best].sum()
                inner = torch.nn.functional.gelu(x[row, token] @ layer.up[expert])
                expected[row, token] += share * (inner @ layer.down[expert])
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- through the command line

FUSED = ("gpt", "gpt:gqa_flex", "packed-block", "packed-block:packed_windowed", "sdpa-migrated", "flash-attn-layers")


@pytest.mark.compile
@pytest.mark.parametrize("name", FUSED)
def test_the_doctor_finds_them_fused_and_nothing_to_mend(tmp_path, name):
    done = run_doctor(tmp_path, "diagnose", f"example:{name}", "--format", "json", timeout=600)
    report = json.loads(done.stdout)
    assert done.returncode == 0, report["findings"]
    assert {entry["verdict"] for entry in report["attention"]} == {"fused"}, report["attention"]
    assert report["summary"]["recompiles"] == 0
    assert [one["code"] for one in report["findings"]] == (["CD504"] if name == "flash-attn-layers" else [])
