"""Script that compiles a module of torch's own in place, and calls it.

Truth: up to torch 2.13, Dynamo skips Module._call_impl and the forward of nn.Sequential, because both are in torch's own
files: 0 graphs. torch.compile(model) compiles it, and so does module.compile() from 2.14 on.
"""
# command run
# summary graphs=0 exit=3 [<2.14]
# summary graphs=1 exit=0 [>=2.14]
# says CD105: head = torch.compile(head) [<2.14]
# never CD105: was not called
import torch
from torch import nn


def main():
    head = nn.Sequential(nn.Linear(6, 3), nn.Softmax(-1))
    head.compile(backend="eager")  # expect CD105 torch-module-in-place [<2.14]
    for _ in range(2):
        head(torch.randn(2, 6))


if __name__ == "__main__":
    main()
