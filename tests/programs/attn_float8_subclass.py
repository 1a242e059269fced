"""Attention whose query projection leaves its output as a float8 training tensor, a wrapper subclass.

Truth: flex_attention has no rule for that subclass: NotImplementedError, compiled or not. Casting the query back to
float32 first would be enough.
"""
# summary verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils._pytree import tree_map


class Float8Tensor(torch.Tensor):
    """Data in float8 with one scale; operators see it in its original precision."""

    @staticmethod
    def __new__(cls, data, scale, dtype):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, strides=data.stride(), dtype=dtype, device=data.device)

    def __init__(self, data, scale, dtype):
        self._data, self._scale, self._original = data, scale, dtype

    def __tensor_flatten__(self):
        return ["_data", "_scale"], self._original

    @staticmethod
    def __tensor_unflatten__(inner, dtype, size, stride):
        return Float8Tensor(inner["_data"], inner["_scale"], dtype)

    def dequantize(self):
        return self._data.to(self._original) * self._scale

    def __repr__(self):
        return f"Float8Tensor({tuple(self.shape)}, {self._original})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        def original(x):
            return x.dequantize() if isinstance(x, Float8Tensor) else x

        return func(*tree_map(original, args), **tree_map(original, kwargs or {}))

    __torch_function__ = torch._C._disabled_torch_function_impl


@torch._dynamo.allow_in_graph
class Quantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        scale = x.abs().amax() / torch.finfo(torch.float8_e4m3fn).max
        return Float8Tensor((x / scale).to(torch.float8_e4m3fn), scale, x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Float8Attention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x):
        q, k, v = Quantize.apply(self.split(self.query(x))), self.split(self.key(x)), self.split(self.value(x))
        y = flex_attention(q, k, v, block_mask=self.block_mask)  # expect CD401 float8-subclass
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return Float8Attention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
