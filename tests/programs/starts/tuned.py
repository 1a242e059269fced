import os
from pathlib import Path

import torch

TUNED = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) / "tuned.txt"


def build_model():
    known = TUNED.exists()  # what the first start has measured, the second takes from a file
    TUNED.parent.mkdir(parents=True, exist_ok=True)
    TUNED.write_text("4")
    return Known() if known else Unknown()


class Unknown(torch.nn.Module):
    def forward(self, x):
        return (x * 2).sum(-1)


class Known(torch.nn.Module):
    def forward(self, x):  # expect CD512 other-graph
        return (x * 2).reshape(4, -1).sum(-1)


def example_inputs():
    return (torch.randn(8, 8),)
