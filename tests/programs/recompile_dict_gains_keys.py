"""Scorer that writes its result into the batch that it was given.

Truth: `batch` is a dict with another number of keys at each call, and its length is guarded.
"""
# summary graph_breaks=0 recompiles=3 graphs=4 frames_skipped=0 exit=0
# says CD201: `batch` is a dict
# says CD201: do not write into it
# never CD201: A list is unrolled
import torch
from torch import nn


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, batch):
        batch["score"] = self.lin(batch["obs"])  # expect CD201 dict-length
        return batch["score"].sum()


def build_model():
    return Scorer().eval()


def example_input_sets():
    for count in range(4):
        batch = {"obs": torch.randn(3, 4)}
        batch.update({f"meta{number}": torch.zeros(1) for number in range(count)})
        yield (batch,)
