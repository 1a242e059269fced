"""Attention by hand over batches as a DataLoader gives them: a dictionary, another length each time, padding as a float mask.

Truth: the generated code of both graphs calls the flash kernel, which Inductor's pattern matcher puts in. Its inputs are made
by views, so that it is named after these. No allocation is as large as the scores.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=1 graphs=2 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, batch):  # expect CD201 length
        x, keep = batch["x"], batch["keep"]
        q, k, v = (t.unflatten(-1, (2, 16)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        scores = torch.matmul(q, k.transpose(2, 3)) / 4
        scores = scores + (1.0 - keep[:, None, None].float()) * torch.finfo(scores.dtype).min
        return torch.matmul(scores.softmax(-1), v)


def build_model():
    return Attention()


def example_input_sets():
    return [({"x": torch.randn(2, n, 32), "keep": torch.ones(2, n)},) for n in (256, 700, 900)]
