import torch


class Block(torch.nn.Module):
    def __init__(self, n=32):
        super().__init__()
        self.a = torch.nn.Linear(n, 4 * n)
        self.b = torch.nn.Linear(4 * n, n)
        self.n = torch.nn.LayerNorm(n)

    def forward(self, x):
        return x + self.b(torch.nn.functional.gelu(self.a(self.n(x))))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Block() for _ in range(8))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def build_model():
    return Model()


def example_input_sets():
    return [(torch.randn(n, 32),) for n in (4, 8, 12)]
