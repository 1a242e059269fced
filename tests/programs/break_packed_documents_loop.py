"""One attention call for each packed document, by slices between the numbers of cu_seqlens (diffusers#11970)."""

# expect CD105 only-frame-skipped [<2.10]
# says CD101: document = torch.searchsorted(cu[1:].contiguous() [>=2.10]
# never CD101: config.capture
import torch
from torch import nn


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x, cu):  # expect CD104 skipped [<2.10]
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        parts = []
        for a, b in zip(cu[:-1].tolist(), cu[1:].tolist()):  # expect CD101 tolist [>=2.10]
            scores = q[a:b] @ k[a:b].transpose(-1, -2)  # expect CD102 guard [<2.10]
            parts.append(scores.softmax(-1) @ v[a:b])
        return torch.cat(parts)


def build_model():
    return Packed().eval()


def example_inputs():
    return torch.randn(12, 16), torch.tensor([0, 3, 7, 12])
