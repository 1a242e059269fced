"""Evaluation and training in turn, by one compiled model.

Truth: each mode needs one graph; that is expected.
"""
# command run
# summary graph_breaks=0 recompiles=1 graphs=2 verdict=healthy exit=0
# says CD201: nothing to do
# never CD201: torch.tensor(
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin, self.drop = nn.Linear(4, 4), nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(self.lin(x))  # expect CD201 train-eval


def main():
    model = Net()
    compiled = torch.compile(model, backend="eager")
    x = torch.randn(2, 4)
    for _ in range(2):
        model.eval()
        compiled(x)
        model.train()
        compiled(x).sum().backward()


if __name__ == "__main__":
    main()
