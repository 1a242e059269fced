"""Refinement module that attends in a loop and prints the residual norm of each pass.

Truth: the print breaks the graph inside the loop and Dynamo skips the frame; plain flex_attention, now called from
an eager frame, is compiled as a frame of its own: fused.
"""
# summary graph_breaks=1 frames_skipped=1 verdict=unhealthy exit=1
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

torch.set_num_threads(1)  # torch 2.8.0 cannot build this kernel for two threads


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 64


class Refiner(nn.Module):
    def __init__(self, dim=64, steps=2, tokens=512):
        super().__init__()
        self.steps = steps
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.GELU())
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x, keys, values):  # expect CD104 loop-break
        for step in range(self.steps):
            y = flex_attention(x, keys, values, block_mask=self.block_mask)  # attention fused
            x = x + self.mlp(y)
            print("step", step, x.norm())  # expect CD103 print-in-loop
        return x


def build_model():
    return Refiner().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
