"""Script that compiles a model and then calls another method of it than forward.

Truth: `fast.sample(...)` is the original's method: only `fast(...)` runs compiled code.
"""
# command run
# summary graphs=0 exit=3
# says CD105: Write model = torch.compile(model) in the scope that calls it, or compile in place: model.compile()
# says CD105: Its other methods
import torch
from torch import nn


class Sampler(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(x)

    def sample(self, x):
        return self.head(x).argmax(-1)


if __name__ == "__main__":
    model = Sampler()
    fast = torch.compile(model, backend="eager")  # expect CD105 never-called
    for _ in range(2):
        fast.sample(torch.randn(2, 6))
