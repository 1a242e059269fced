"""Window attention in a disabled function, compiled there with backend="aot_eager" left over from debugging.

Truth: aot_eager traces flex_attention but does not lower it, so each call runs the eager fallback with the full
score matrix.
"""
# summary graph_breaks=1 recompiles=0 graphs=3 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

debug_flex = torch.compile(flex_attention, backend="aot_eager")  # expect CD305 aot-eager


@torch.compiler.disable
def attend(q, k, v, block_mask):
    return debug_flex(q, k, v, block_mask=block_mask)  # expect CD301 flex; attention dense


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 32


class SwinLikeBlock(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = attend(q, k, v, self.block_mask)  # expect CD101 deliberate
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return SwinLikeBlock().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
