"""Evaluation that is run in full precision first and then under bfloat16 autocast.

Truth: autocast is global state; entering it compiles forward again.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# option --as-is
import torch
from torch import nn


class ConvClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, images):  # expect CD206 autocast
        x = torch.relu(self.norm(self.stem(images)))
        return self.head(x.mean(dim=(2, 3)))


def build_model():
    compiled = torch.compile(ConvClassifier().eval(), backend="eager")

    def evaluate(images, precision):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return compiled(images)

    return evaluate


def example_input_sets():
    images = torch.randn(2, 3, 8, 8)
    return [(images, "fp32"), (images, "bf16")]
