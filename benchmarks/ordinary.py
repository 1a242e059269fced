"""Ordinary models for benchmarks/guard_alarms.py: a function makes each model with its inputs, and one its target."""

from __future__ import annotations

import torch
from torch import nn


def mlp():
    layers = [one for _ in range(6) for one in (nn.Linear(256, 256), nn.ReLU())]
    return nn.Sequential(*layers), (torch.randn(32, 256),)


class Residual(nn.Module):
    def __init__(self, width, groups):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=False)
        self.second = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(x + self.norm(self.second(torch.relu(self.first(x)))))


def convolutions():
    body = [Residual(32, 1) for _ in range(8)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    return nn.Sequential(nn.Conv2d(3, 32, 3), *body, *head).eval(), (torch.randn(4, 3, 64, 64),)


def depthwise():
    body = [Residual(64, 64) for _ in range(12)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(nn.Conv2d(3, 64, 3, stride=2), *body, *head).eval(), (torch.randn(1, 3, 96, 96),)


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(64, 128, num_layers=2, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


def lstm():
    return Last().eval(), (torch.randn(8, 50, 64),)


def encoder():
    layer = nn.TransformerEncoderLayer(128, 4, 256, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False).eval(), (torch.randn(4, 64, 128),)


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        return x if self.scale == 1.0 else x * self.scale


class Gates(nn.Module):
    def __init__(self):
        super().__init__()
        self.gates = nn.ModuleList(Gate() for _ in range(3_000))

    def forward(self, x):
        for one in self.gates:
            x = one(x)
        return x + 1


def many_modules():
    return Gates(), (torch.randn(4),)


class Sum(nn.Module):
    def forward(self, tensors):
        return sum((one * 2).sum() for one in tensors)


def list_of_tensors():
    return Sum(), ([torch.randn(16) for _ in range(100)],)


def llama():
    from transformers import LlamaConfig, LlamaModel

    small = {"vocab_size": 512, "hidden_size": 128, "intermediate_size": 256}
    config = LlamaConfig(**small, num_hidden_layers=4, num_attention_heads=4, use_cache=False)
    return LlamaModel(config).eval(), (torch.randint(0, 512, (2, 64)),)


def bert():
    from transformers import BertConfig, BertModel

    small = {"vocab_size": 512, "hidden_size": 128, "intermediate_size": 256}
    config = BertConfig(**small, num_hidden_layers=4, num_attention_heads=4)
    return BertModel(config).eval(), (torch.randint(0, 512, (2, 64)),)


def vit():
    from transformers import ViTConfig, ViTModel

    small = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4}
    return ViTModel(ViTConfig(**small, image_size=64, patch_size=8)).eval(), (torch.randn(2, 3, 64, 64),)


def build_model(name: str = "mlp"):
    torch.manual_seed(0)
    return globals()[name]()[0]


def example_inputs(name: str = "mlp"):
    return globals()[name]()[1]
