"""Window attention whose author compiled flex_attention by itself and kept the outer torch.compile out of it.

Truth: torch.compiler.disable unwraps the compiled function and disables the original one, so what runs
is the eager flex_attention with its full score matrix. One break, at the call of the disabled function.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 64


class IsolatedAttention(nn.Module):
    def __init__(self, dim=128, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.flex = torch.compiler.disable(torch.compile(flex_attention))  # expect CD302 disable-unwraps

    def forward(self, x, block_mask):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = self.flex(q, k, v, block_mask=block_mask)  # expect CD101 deliberate; expect CD301 flex; attention dense
        return self.out(y.transpose(1, 2).flatten(2))


class WindowEncoder(nn.Module):
    def __init__(self, dim=128, tokens=512):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(dim), IsolatedAttention(dim)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        return x + self.attention(self.norm(x), self.block_mask)


def build_model():
    return WindowEncoder().eval()


def example_inputs():
    return (torch.randn(1, 512, 128),)
