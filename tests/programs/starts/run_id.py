import time
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(8, 8)
        self.run_id = time.time() % 1000

    def forward(self, x):
        return self.lin(x) * self.run_id  # expect CD513 gm


def build_model():
    return Model()


def example_inputs():
    return (torch.randn(2, 8),)
