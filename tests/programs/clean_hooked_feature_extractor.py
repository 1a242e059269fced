"""Conv net whose forward hooks collect feature maps, with a user-defined context manager.

Clean: hooks that only store tensors, and contextlib managers without side effects, are traced.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class FeatureExtractor(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.block2 = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 2)
        self.features = {}
        for name in ("block1", "block2"):
            getattr(self, name).register_forward_hook(self.keep(name))

    def keep(self, name):
        def hook(module, args, output):
            self.features[name] = output.detach()

        return hook

    def forward(self, x):
        self.features = {}
        x = self.block2(self.block1(x))
        logits = self.head(x.mean(dim=(2, 3)))
        texture = self.features["block1"].std(dim=(1, 2, 3))
        return logits, texture, self.features["block2"].amax(dim=(2, 3))


def build_model():
    return FeatureExtractor().eval()


def example_inputs():
    return (torch.randn(2, 3, 8, 8),)
