"""The same isolation with recursive=False, hoping that only the outermost frame is left out.

Truth: the compiled function is unwrapped all the same, and the eager fallback runs. Dynamo now traces the helpers
of flex_attention as frames of their own, which changes nothing.
"""
# summary graph_breaks=1 frames_skipped=0 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


def dilated(b, h, q_idx, kv_idx):
    return ((q_idx - kv_idx) % 4 == 0) & (q_idx >= kv_idx)


flex = torch.compiler.disable(torch.compile(flex_attention), recursive=False)  # expect CD302 disable-unwraps


class DilatedAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(dilated, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = flex(q, k, v, block_mask=self.block_mask)  # expect CD101 deliberate; expect CD301 flex; attention dense
        return self.out(y.transpose(1, 2).flatten(2))


def build_model():
    return DilatedAttention().eval()


def example_inputs():
    return (torch.randn(1, 512, 64),)
