"""Two decoder layers that share one isolated attention function, compiled first and disabled later in the module.

Truth: disabling a compiled function disables the original one: both layers run the eager flex_attention.
"""
# summary graph_breaks=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

fast_attention = torch.compile(flex_attention)
safe_attention = torch.compiler.disable(fast_attention)  # expect CD302 disable-unwraps


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class DecoderLayer(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, block_mask):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = safe_attention(q, k, v, block_mask=block_mask)  # expect CD101 deliberate; expect CD301 flex; attention dense
        return x + self.out(y.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    def __init__(self, dim=64, tokens=512):
        super().__init__()
        self.first, self.second = DecoderLayer(dim), DecoderLayer(dim)
        self.block_mask = create_block_mask(causal, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        return self.second(self.first(x, self.block_mask), self.block_mask)


def build_model():
    return Decoder().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
