"""Classifier under dynamic=False and fullgraph, given a batch that is larger each time.

Truth: each batch size has its own graph because of dynamic=False, and the ninth raises; it is no cache that grows.
"""
# command run
# summary graph_breaks=0 recompiles=7 graphs=8 exit=1
# says CD202: It was compiled with dynamic=False
# never CD201: BlockMask
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(8, 8)

    def forward(self, x):  # expect CD202 limit; expect CD201 batch
        return self.lin(x).sum(1)


def main():
    model = torch.compile(Net().eval(), backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        for batch in range(2, 15):
            model(torch.randn(batch, 8))


if __name__ == "__main__":
    main()
