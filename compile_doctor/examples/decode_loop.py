"""A decode loop with a KV cache that compiles only two graphs, and the mistakes that compile one for every token.

`build_model()` is correct. Prefill and decoding are compiled separately, with static shapes: the cache has its full
size from the start, only the *value* of a tensor varies from step to step, and every function and mask is created once.
`growing()` is correct too: its cache grows by a token per step, so its decoding is compiled with dynamic=True.
`autocast()` runs in bfloat16 and casts what flex_attention returns back to the query's dtype.

`growing_static()`: `growing()` with dynamic=False. Every length gets its own graph.
`new_score_mod()`: a new score_mod per step around a Python number, which is a constant of the graph.
`captured_shape()`: the score_mod captures a table that is as long as the text so far; torch guards on its shape.
`mask_each_step()`: create_block_mask at every step, uncompiled.
`step_counter()`: the position is an int attribute of the layer, also a constant of the graph.
`layer_index()`: so is `layer_idx`; all layers share their compiled code, and each gets its own graph.
`output_dtype()`: `autocast()` without the cast. flex_attention returns bfloat16.
"""

from collections.abc import Callable
from math import ceil

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

HEADS, DIM, LAYERS, VOCABULARY, BLOCK = 2, 32, 3, 64, 128
WIDTH, STEPS = HEADS * DIM, 6
Mod = Callable[..., torch.Tensor]


class Layer(nn.Module):
    """Attention with its own cache, deeper layers with smaller scores (GPT-2's scale_attn_by_inverse_layer_idx)."""

    keys: torch.Tensor
    values: torch.Tensor
    depth: torch.Tensor

    def __init__(self, index: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.query_norm, self.key_norm = nn.RMSNorm(DIM), nn.RMSNorm(DIM)
        self.register_buffer("depth", torch.tensor(index + 1.0))

    def reserve(self, capacity: int) -> None:
        self.keys = self.query.weight.new_zeros(1, HEADS, capacity, DIM)
        self.values = torch.zeros_like(self.keys)

    def prefill(self, x: torch.Tensor, mask: BlockMask, score_mod: Mod) -> torch.Tensor:
        q, k, v = self.heads(x)
        self.keys[:, :, : x.shape[1]] = k
        self.values[:, :, : x.shape[1]] = v
        return self.output(x, self.attend(q, k, v, mask, score_mod))

    def decode(self, x: torch.Tensor, position: torch.Tensor, mask: BlockMask, score_mod: Mod) -> torch.Tensor:
        q, k, v = self.heads(x)
        self.keys.index_copy_(2, position, k)
        self.values.index_copy_(2, position, v)
        return self.output(x, self.attend(q, self.keys, self.values, mask, score_mod))

    def grow(
        self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, score_mod: Mod
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`decode` with a cache that it returns, longer by one."""
        q, k, v = self.heads(x)
        keys, values = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        return self.output(x, self.attend(q, keys, values, None, score_mod)), keys, values

    def heads(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = (
            project(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        # Under autocast the projections are bfloat16; the cache, and the query, have the dtype of the residual stream.
        q, k, v = self.scaled(self.query_norm(q)).to(x.dtype), self.key_norm(k).to(x.dtype), v.to(x.dtype)
        return q, k, v.contiguous()

    def scaled(self, q: torch.Tensor) -> torch.Tensor:
        return q / self.depth

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: BlockMask | None, score_mod: Mod
    ) -> torch.Tensor:
        return flex_attention(q, k, v, score_mod=score_mod, block_mask=mask).to(q.dtype)

    def output(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return x + self.out(attended.transpose(1, 2).flatten(2))


class DecodeLoop(nn.Module):
    """Greedy decoding. `step` is one token; `forward` is the loop, which stays in Python."""

    layer = Layer
    slopes: torch.Tensor
    position: torch.Tensor
    blocks: torch.Tensor

    def __init__(self, backend: str = "inductor", dynamic: bool | None = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(self.layer(index) for index in range(LAYERS))
        self.register_buffer("slopes", 0.5 ** torch.arange(1, HEADS + 1))
        self.register_buffer("position", torch.zeros(1, dtype=torch.long))
        self.register_buffer("blocks", torch.ones(1, 1, 1, dtype=torch.int32))
        # One function for all layers, so one graph for all of them.
        self.prefill = torch.compile(self.layer.prefill, backend=backend, dynamic=False)
        self.decode = torch.compile(self.layer.decode, backend=backend, dynamic=dynamic)

    @torch.compiler.disable  # it compiles its own parts
    def forward(self, prompt: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        logits = [self.start(prompt, mask)]
        for length in range(prompt.shape[1], prompt.shape[1] + STEPS):
            logits.append(self.step(logits[-1].argmax(-1), length))
        return torch.cat(logits, dim=1)

    def start(self, prompt: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        """Fills the cache, and creates what all steps share."""
        self.capacity = ceil((prompt.shape[1] + STEPS) / BLOCK) * BLOCK
        self.score_mod, self.mask = self.alibi, self.filled_mask()
        self.position.zero_()
        x = self.embed(prompt)
        for layer in self.layers:
            layer.reserve(self.capacity)
            x = self.prefill(layer, x, mask, self.score_mod)
        return self.logits(x[:, -1:])

    def step(self, token: torch.Tensor, length: int) -> torch.Tensor:
        """The logits after `token`, which is number `length` of the text, counted from zero."""
        self.position.fill_(length)
        self.blocks.fill_(length // BLOCK + 1)  # the mask's tensor: later blocks of the cache are not read
        mask, score_mod = self.mask_at(length), self.score_mod_at(length)
        x = self.embed(token)
        for layer in self.layers:
            x = self.decode(layer, x, self.position, mask, score_mod)
        return self.logits(x)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.embed.weight.T

    def alibi(
        self, score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
    ) -> torch.Tensor:
        """The further back, the less weight: Press et al., https://arxiv.org/abs/2108.12409."""
        return score - self.slopes[head] * (self.position[0] + q - k)

    def filled(self, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return k <= self.position[0] + q

    def filled_mask(self) -> BlockMask:
        """All blocks of the cache, in order; how many of them count is in `blocks`."""
        order = torch.arange(self.capacity // BLOCK, dtype=torch.int32, device=self.blocks.device)
        return BlockMask.from_kv_blocks(
            self.blocks, order[None, None, None], BLOCK_SIZE=BLOCK, mask_mod=self.filled, seq_lengths=(1, self.capacity)
        )

    def score_mod_at(self, length: int) -> Mod:
        return self.score_mod

    def mask_at(self, length: int) -> BlockMask:
        return self.mask


class GrowingLoop(DecodeLoop):
    """The cache grows by concatenation: another length at each step."""

    def __init__(self, backend: str = "inductor", dynamic: bool | None = True) -> None:
        super().__init__(backend, dynamic)
        self.decode = torch.compile(self.layer.grow, backend=backend, dynamic=dynamic)

    def start(self, prompt: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        logits = super().start(prompt, mask)
        used = prompt.shape[1]
        self.cache = [(layer.keys[:, :, :used].clone(), layer.values[:, :, :used].clone()) for layer in self.layers]
        return logits

    def step(self, token: torch.Tensor, length: int) -> torch.Tensor:
        self.position.fill_(length)
        x = self.embed(token)
        for index, layer in enumerate(self.layers):
            x, *self.cache[index] = self.decode(layer, x, *self.cache[index], self.score_mod)
        return self.logits(x)


class AutocastLoop(DecodeLoop):
    def start(self, prompt: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        with torch.autocast(prompt.device.type, dtype=torch.bfloat16):
            return super().start(prompt, mask)

    def step(self, token: torch.Tensor, length: int) -> torch.Tensor:
        with torch.autocast(token.device.type, dtype=torch.bfloat16):
            return super().step(token, length)


class NewScoreMod(DecodeLoop):
    def score_mod_at(self, length: int) -> Mod:
        slopes = self.slopes

        def alibi(
            score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
        ) -> torch.Tensor:
            return score - slopes[head] * (length + q - k)

        return alibi


class CapturedShape(DecodeLoop):
    def score_mod_at(self, length: int) -> Mod:
        distance = torch.arange(length, -1, -1, device=self.slopes.device)
        bias = self.slopes[:, None] * distance  # (heads, length + 1)

        def alibi(
            score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
        ) -> torch.Tensor:
            return score - bias[head, torch.minimum(k, self.position[0])]

        return alibi


class MaskEachStep(DecodeLoop):
    def mask_at(self, length: int) -> BlockMask:
        def filled(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
            return self.filled(batch, head, q, k)  # create_block_mask does not accept a bound method

        return create_block_mask(filled, None, None, 1, self.capacity, device=self.slopes.device)


class CountingLayer(Layer):
    used = 0

    def prefill(self, x: torch.Tensor, mask: BlockMask, score_mod: Mod) -> torch.Tensor:
        self.used = x.shape[1]
        return super().prefill(x, mask, score_mod)

    def decode(self, x: torch.Tensor, position: torch.Tensor, mask: BlockMask, score_mod: Mod) -> torch.Tensor:
        q, k, v = self.heads(x)
        self.keys[:, :, self.used : self.used + 1] = k
        self.values[:, :, self.used : self.used + 1] = v
        self.used += 1
        return self.output(x, self.attend(q, self.keys, self.values, mask, score_mod))


class StepCounter(DecodeLoop):
    layer = CountingLayer


class NumberedLayer(Layer):
    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.layer_idx = index

    def scaled(self, q: torch.Tensor) -> torch.Tensor:
        return q / (self.layer_idx + 1)


class LayerIndex(DecodeLoop):
    layer = NumberedLayer


class UncastLayer(Layer):
    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: BlockMask | None, score_mod: Mod
    ) -> torch.Tensor:
        return flex_attention(q, k, v, score_mod=score_mod, block_mask=mask)


class OutputDtype(AutocastLoop):
    layer = UncastLayer


def causal(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q >= k


def build_model(backend: str = "inductor") -> nn.Module:
    return DecodeLoop(backend)


def growing(backend: str = "inductor") -> nn.Module:
    return GrowingLoop(backend)


def autocast(backend: str = "inductor") -> nn.Module:
    return AutocastLoop(backend)


def growing_static(backend: str = "inductor") -> nn.Module:
    return GrowingLoop(backend, dynamic=False)


def new_score_mod(backend: str = "inductor") -> nn.Module:
    return NewScoreMod(backend)


def captured_shape(backend: str = "inductor") -> nn.Module:
    return CapturedShape(backend)


def mask_each_step(backend: str = "inductor") -> nn.Module:
    return MaskEachStep(backend)


def step_counter(backend: str = "inductor") -> nn.Module:
    return StepCounter(backend)


def layer_index(backend: str = "inductor") -> nn.Module:
    return LayerIndex(backend)


def output_dtype(backend: str = "inductor") -> nn.Module:
    return OutputDtype(backend)


def causal_mask(tokens: int) -> BlockMask:
    """The first block of queries sees one block of keys, the second two, and so on: no table of tokens × tokens."""
    blocks = ceil(tokens / BLOCK)
    count = torch.arange(1, blocks + 1, dtype=torch.int32)
    order = torch.arange(blocks, dtype=torch.int32).repeat(blocks, 1)
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=causal, seq_lengths=(tokens, tokens)
    )


def example_inputs(tokens: int = 512) -> tuple[torch.Tensor, BlockMask]:
    return torch.randint(VOCABULARY, (1, tokens)), causal_mask(tokens)
