"""A method that compiles its own object and binds the result to `self`.

Truth: the compiled object is dropped at the end of the method, and the script calls the original.
"""
# command run
# summary graphs=0 exit=3
# says CD105: self.compile()
# never CD105: TORCHDYNAMO_DISABLE
import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(16, 4)

    def prepare(self):
        self = torch.compile(self, backend="eager")  # expect CD105 dropped

    def forward(self, x):
        return self.net(x).relu()


if __name__ == "__main__":
    model = Forecaster()
    model.prepare()
    for _ in range(3):
        model(torch.randn(2, 16))
