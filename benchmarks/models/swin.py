"""Swin: vision encoder with shifted windows."""

import torch
from transformers import SwinConfig, SwinForImageClassification


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = SwinConfig(
        image_size=32,
        patch_size=2,
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 2],
        window_size=4,
    )
    model = SwinForImageClassification(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.randn(1, 3, 32, 32)}
