"""A cross-attention layer from nn.MultiheadAttention; nobody uses the weights that it returns.

Truth: need_weights=True is the default. Inductor removes the average, which nobody uses, and puts in SDPA's flash kernel.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
from torch import nn
torch.set_num_threads(1)

class CrossAttention(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, 4, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, image, text):
        return self.norm(image + self.attention(image, text, text)[0])


def build_model():
    return CrossAttention().eval()


def example_inputs():
    return torch.randn(1, 1024, 32), torch.randn(1, 512, 32)
