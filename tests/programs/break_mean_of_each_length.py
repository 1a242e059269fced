"""The sum of the first n of each row, for the lengths of a tensor."""

# says CD101: keep = torch.arange(x.shape[1], device=lengths.device) < lengths[:, None]
# never CD101: config.capture
import torch
from torch import nn


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, x, lengths):
        x = self.proj(x)
        rows = [x[i, :n].sum(0) for i, n in enumerate(lengths.tolist())]  # expect CD101 tolist
        return torch.stack(rows)


def build_model():
    return Pool().eval()


def example_inputs():
    return torch.randn(3, 6, 4), torch.tensor([2, 6, 4])
