"""ViT patch embedding: shape-only Python control flow and f-strings of shapes.

Clean: every condition is on sizes, which Dynamo knows while it traces.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class PatchEmbed(nn.Module):
    def __init__(self, patch=4, dim=16):
        super().__init__()
        self.patch = patch
        self.proj = nn.Linear(3 * patch * patch, dim)

    def forward(self, images):
        batch, channels, height, width = images.shape
        if height % self.patch or width % self.patch:
            raise ValueError(f"image {height}x{width} is not divisible by {self.patch}")
        label = f"{batch}x{channels}"
        rows, cols = height // self.patch, width // self.patch
        x = images.reshape(batch, channels, rows, self.patch, cols, self.patch)
        x = x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        if x.shape[1] > 4 and len(label) > 1:
            x = x - x.mean(dim=-1, keepdim=True)
        return self.proj(x)


def build_model():
    return PatchEmbed().eval()


def example_inputs():
    return (torch.randn(2, 3, 16, 16),)
