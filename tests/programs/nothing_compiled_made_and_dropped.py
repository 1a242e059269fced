"""Script that compiles a module in place without giving it a name, and calls another one.

Truth: compile() returns None and changes the module that it is called on. Nothing else has that module.
"""
# command run
# summary graphs=0 exit=3
# says CD105: `Linear.compile()` was called here
# says CD105: Keep it: model = nn.Linear(6, 3), then model.compile()
# never CD105: Module._call_impl
import torch
from torch import nn


def main():
    nn.Linear(6, 3).compile(backend="eager")  # expect CD105 never-called
    scorer = nn.Linear(6, 3)
    for _ in range(2):
        scorer(torch.randn(2, 6))


if __name__ == "__main__":
    main()
