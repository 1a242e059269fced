"""Sweep over twelve widths; each has a class of its own, made by one function, and is compiled with fullgraph=True.

Truth: all the classes share the code of forward and its limit, so the ninth raises. It never runs in plain Python.
"""
# command run
# summary graph_breaks=0 recompiles=7 graphs=8 verdict=unhealthy exit=1
# says CD202: torch._dynamo.reset()
# says CD202: make_head()
# never CD202: runs in plain Python
import torch
from torch import nn


def make_head(width):
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.out = nn.Linear(8, width)

        def forward(self, x):  # expect CD202 recompile-limit
            return torch.relu(self.out(x))  # expect CD201 self-type

    return Head()


def main():
    x = torch.randn(4, 8)
    for width in range(1, 13):
        torch.compile(make_head(width), backend="eager", fullgraph=True)(x)


if __name__ == "__main__":
    main()
