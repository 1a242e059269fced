"""Schedule, an object made anew for each call, that chooses a factor by whether its step is even.
Truth: the int `step` is a constant at first, then dynamic; then each side of the condition has its own graph. All of it is
one cause. A tensor in place of the number would break the graph at the condition.
"""
# recorded [>=2.9]
# summary graph_breaks=0 recompiles=2 graphs=3 exit=0
# says CD201: torch.where
# never CD201: torch.tensor(step)
import torch
from torch import nn


class Schedule:
    def __init__(self, step):
        self.step = step

    def factor(self):
        return 0.5 if self.step % 2 else 1.0  # expect CD201 int-attribute


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x, schedule):
        return self.lin(x) * schedule.factor()


def build_model():
    return Noise()


def example_input_sets():
    return [(torch.randn(2, 8), Schedule(step)) for step in range(5)]
