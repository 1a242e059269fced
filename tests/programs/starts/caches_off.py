import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD512 caches-off
        return self.lin(x).relu()


def build_model():
    torch._inductor.config.force_disable_caches = True
    return Model()


def example_inputs():
    return (torch.randn(2, 8),)
