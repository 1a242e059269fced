"""A decoding step that is compiled again for each layer and for each length of its cache."""

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS = 32, 3


class DecoderLayer(nn.Module):
    """Attends to its row of the cache; `layer_idx` is an int, and so a constant of the graph."""

    def __init__(self, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.q = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, cache: torch.Tensor) -> torch.Tensor:
        keys = cache[self.layer_idx]
        return x + self.out(F.scaled_dot_product_attention(self.q(x), keys, keys))


class Decoder(nn.Module):
    """Compiles its layers one by one, as many training scripts do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([DecoderLayer(i) for i in range(LAYERS)])
        for layer in self.layers:
            layer.compile(dynamic=False)

    @torch.compiler.disable(recursive=False)
    def forward(self, x: torch.Tensor, cache: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, cache)
        return x


def build_model() -> nn.Module:
    return Decoder()


def example_input_sets() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.randn(1, 1, WIDTH), torch.randn(LAYERS, 1, tokens, WIDTH)) for tokens in (8, 9, 10)]
