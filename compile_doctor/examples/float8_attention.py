"""Float8 linear layers around flex_attention: fused, as long as no float8 tensor reaches the attention itself.

`build_model()` keeps weights in float8 and passes on plain bfloat16 tensors, like torchao's
`quantize_(model, Float8WeightOnlyConfig())`; its float8 training layers pass on plain tensors too.
In `float8_query()` a projection returns a float8 tensor, here a small version of the tensor subclasses
of torchao. flex_attention has no rule for it: use `q.dequantize()` before the attention.
"""

from math import ceil

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.utils._pytree import tree_map

HEADS, DIM, BLOCK = 2, 64, 128
WIDTH = HEADS * DIM
FLOAT8 = torch.float8_e4m3fn


class Float8Tensor(torch.Tensor):
    """Float8 numbers with one scale; operators see them in bfloat16."""

    @staticmethod
    def __new__(cls, data: torch.Tensor, scale: torch.Tensor) -> "Float8Tensor":
        return torch.Tensor._make_wrapper_subclass(
            cls, data.shape, strides=data.stride(), dtype=torch.bfloat16, device=data.device
        )

    def __init__(self, data: torch.Tensor, scale: torch.Tensor) -> None:
        self._data, self._scale = data, scale

    def dequantize(self) -> torch.Tensor:
        return self._data.to(torch.bfloat16) * self._scale

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["_data", "_scale"], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride) -> "Float8Tensor":
        return Float8Tensor(inner["_data"], inner["_scale"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        plain = tree_map(lambda x: x.dequantize() if isinstance(x, cls) else x, (args, kwargs or {}))
        return func(*plain[0], **plain[1])

    __torch_function__ = torch._C._disabled_torch_function_impl


def quantize(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = x.abs().amax() / torch.finfo(FLOAT8).max
    return (x / scale).to(FLOAT8), scale


@torch._dynamo.allow_in_graph  # torchao does the same for its own: Dynamo cannot trace the creation of a subclass
class ToFloat8(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor) -> Float8Tensor:
        return Float8Tensor(*quantize(x))

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class Float8Linear(nn.Module):
    """The weight takes one byte per number, and is converted to bfloat16 where it is used."""

    def __init__(self) -> None:
        super().__init__()
        weight, scale = quantize(nn.Linear(WIDTH, WIDTH, bias=False, dtype=torch.bfloat16).weight.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight.to(x.dtype) * self.scale)


class Float8Attention(nn.Module):
    def __init__(self, float8_query: bool = False) -> None:
        super().__init__()
        self.float8_query = float8_query
        self.query, self.key, self.value, self.out = (Float8Linear() for _ in range(4))

    def forward(self, x: torch.Tensor, mask: BlockMask) -> torch.Tensor:
        heads = (
            project(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        q, k, v = heads
        # On a CPU, torch 2.13 to 2.15 cannot compile a query or key that is only a view of a Linear's output.
        # `compile-doctor explain cpu-flex-query-view`: with that recipe, this line can go.
        q, k = q.contiguous(), k.contiguous()
        if self.float8_query:
            q = ToFloat8.apply(q)
        attended = flex_attention(q, k, v, block_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))


def causal(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q >= k


def causal_mask(tokens: int) -> BlockMask:
    """The first block of queries sees one block of keys, the second two, and so on: no table of tokens × tokens."""
    blocks = ceil(tokens / BLOCK)
    count = torch.arange(1, blocks + 1, dtype=torch.int32)
    order = torch.arange(blocks, dtype=torch.int32).repeat(blocks, 1)
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=causal, seq_lengths=(tokens, tokens)
    )


def build_model() -> nn.Module:
    return Float8Attention()


def float8_query() -> nn.Module:
    return Float8Attention(float8_query=True)


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor, BlockMask]:
    return torch.randn(1, tokens, WIDTH, dtype=torch.bfloat16), causal_mask(tokens)
