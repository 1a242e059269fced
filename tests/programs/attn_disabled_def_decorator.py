"""Window attention kept out of the outer graph by a disabled function that calls a compiled flex_attention.

Truth: the function is what torch.compiler.disable unwraps, not the compiled attention inside it, which
compiles as a frame of its own. Fused, at the price of one deliberate break.
"""
# summary graph_breaks=1 recompiles=0 graphs=3 frames_skipped=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads
compiled_flex = torch.compile(flex_attention)


@torch.compiler.disable
def isolated_attention(q, k, v, block_mask):
    q, k, v = (part.contiguous() for part in (q, k, v))
    return compiled_flex(q, k, v, block_mask=block_mask)  # attention fused


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 48


class WindowAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = isolated_attention(q, k, v, self.block_mask)  # expect CD101 deliberate
        return x + self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return WindowAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
