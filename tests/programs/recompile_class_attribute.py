"""Temperature kept on the class, and lowered between calls.

Truth: a class attribute is a constant of the graph, which `anneal` writes; up to 2.11 torch has no guard on it.
"""
# command run
# summary graph_breaks=0 recompiles=1 graphs=2 exit=0
import torch
from torch import nn


class Sharpen(nn.Module):
    temperature = 2.0

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):
        return self.lin(x).softmax(-1) / type(self).temperature  # expect CD201 class-attribute [>=2.12]


def anneal():
    Sharpen.temperature = Sharpen.temperature * 0.5


def main():
    model = torch.compile(Sharpen().eval(), backend="eager")
    x = torch.randn(2, 8)
    with torch.no_grad():
        for _ in range(3):
            model(x)
            anneal()


if __name__ == "__main__":
    main()
# summary [<2.12] recompiles=0 graphs=1
