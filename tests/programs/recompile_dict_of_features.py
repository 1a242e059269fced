"""Tower that sums whatever features it is given, by `items()`.

Truth: the dict has one key more at the second and third call; its length is guarded where the loop begins.
"""
# summary graph_breaks=0 recompiles=2 graphs=3 frames_skipped=0 exit=0
# says CD201: is a dict
# never CD201: A list is unrolled
import torch
from torch import nn


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 2)

    def forward(self, features):
        total = torch.zeros(2, 6)
        for name, value in features.items():  # expect CD201 dict-length
            total = total + value * len(name)
        return self.out(total)


def build_model():
    return Tower().eval()


def example_input_sets():
    every = {name: torch.randn(2, 6) for name in ("age", "city", "device")}
    return [({name: every[name] for name in list(every)[:count]},) for count in (1, 2, 3)]
