"""Script that compiles a module in place and then calls its forward directly.

Truth: module.compile() concerns calls of the module. module.forward(...) never goes through it.
"""
# command run
# summary graphs=0 exit=3
# says CD105: call module(...), and not module.forward(...)
import torch
from torch import nn


def main():
    scorer = nn.Sequential(nn.Linear(6, 3), nn.Softmax(-1))
    scorer.compile(backend="eager")  # expect CD105 never-called
    for _ in range(2):
        scorer.forward(torch.randn(2, 6))


if __name__ == "__main__":
    main()
