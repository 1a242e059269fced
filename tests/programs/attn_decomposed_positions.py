"""SAM's attention: the scores get a bias by row and one by column, over a view of five dimensions.

Truth: by hand, a tensor of scores for every head.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, side=32, width=32):
        super().__init__()
        self.side = side
        self.rel_h, self.rel_w = (nn.Parameter(torch.zeros(2 * side - 1, width)) for _ in range(2))

    def add_decomposed(self, attn, q):
        at = torch.arange(self.side)
        at = at[:, None] - at[None, :] + self.side - 1
        r_q = q.reshape(q.shape[0], self.side, self.side, -1)
        rel_h = torch.einsum("bhwc,hkc->bhwk", r_q, self.rel_h[at])
        rel_w = torch.einsum("bhwc,wkc->bhwk", r_q, self.rel_w[at])
        attn = attn.view(-1, self.side, self.side, self.side, self.side)
        return (attn + rel_h[..., :, None] + rel_w[..., None, :]).view(-1, self.side**2, self.side**2)

    def forward(self, q, k, v):
        attn = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        attn = self.add_decomposed(attn, q).softmax(dim=-1)  # expect CD505 by-hand
        return attn @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(2, 1024, 32) for _ in range(3))
