"""The sum of the first n of each row, for the lengths of a tensor. Before 2.10 its integers are traced, and the slice decides."""

# expect CD105 only-frame-skipped [<2.10]
# says CD101: keep = torch.arange(x.shape[1], device=lengths.device) < lengths[:, None] [>=2.10]
# never CD101: config.capture
import torch
from torch import nn


class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(4, 4)

    def forward(self, x, lengths):  # expect CD104 skipped [<2.10]
        x = self.proj(x)
        rows = []
        for i, n in enumerate(lengths.tolist()):  # expect CD101 tolist [>=2.10]
            rows.append(x[i, :n].sum(0))  # expect CD102 guard [<2.10]
        return torch.stack(rows)


def build_model():
    return Pool().eval()


def example_inputs():
    return torch.randn(3, 6, 4), torch.tensor([2, 6, 4])
