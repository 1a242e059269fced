"""The documented recipe: the optimizer's step in a compiled function, in a training script.

Truth: torch's `_use_grad` calls graph_break() itself. The update is one graph, and nothing is lost: a break of torch's own.
"""
# expect CD101 of-the-optimizer-itself
# command run
# summary graph_breaks=1 recompiles=0 graphs=1 verdict=healthy exit=0
# says CD101: Nothing to fix
# never CD101: delete the line
import torch
from torch import nn


def main():
    net = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, foreach=False)

    @torch.compile(backend="eager")
    def update():
        optimizer.step()

    for _ in range(3):
        optimizer.zero_grad()
        net(torch.ones(2, 4)).pow(2).mean().backward()
        update()


if __name__ == "__main__":
    main()
