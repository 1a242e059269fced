"""A key in float32 (its norm runs there) beside a query in bfloat16, under autocast (pytorch#165468).

Truth: autocast casts all three at the call, for flex_attention since torch 2.11; before, the call is refused.
"""
# summary graph_breaks=0 graphs=1 verdict=healthy exit=0 [>=2.13]
# backend inductor
# says CD403: autocast is active at this call [>=2.11]
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention


class NormedKeys(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(64, 192)
        self.norm = nn.LayerNorm(32)

    def forward(self, x):  # expect CD104 rest [<2.11]
        with torch.autocast("cpu", dtype=torch.bfloat16):  # expect CD101 refused [<2.11]
            q, k, v = self.project(x).unflatten(-1, (3, 2, 32)).permute(2, 0, 3, 1, 4).contiguous()
            k = self.norm(k.float()).float()
            return flex_attention(q, k, v)  # expect CD403 dtypes; expect CD106 same-buffer [>=2.11,<2.13]; attention unverified [>=2.11]


def build_model():
    return NormedKeys().eval()


def example_inputs():
    return (torch.randn(1, 1024, 64),)
