"""CLIP: image and text encoders."""

import torch
from transformers import CLIPConfig, CLIPModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = CLIPConfig(
        text_config={**size, "vocab_size": 99, "max_position_embeddings": 16},
        vision_config={**size, "image_size": 32, "patch_size": 8},
        projection_dim=32,
    )
    model = CLIPModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(3, 99, (2, 8)),
        "pixel_values": torch.randn(2, 3, 32, 32),
    }
