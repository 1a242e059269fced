"""ConvNeXt: convolutional vision encoder."""

import torch
from transformers import ConvNextConfig, ConvNextForImageClassification


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = ConvNextConfig(hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 1, 1])
    model = ConvNextForImageClassification(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.randn(1, 3, 32, 32)}
