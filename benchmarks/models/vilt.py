"""ViLT: text and image patches in one encoder."""

import torch
from transformers import ViltConfig, ViltModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = ViltConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        max_image_length=16,
        max_position_embeddings=32,
    )
    model = ViltModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(3, 99, (1, 8)),
        "pixel_values": torch.randn(1, 3, 32, 32),
        "pixel_mask": torch.ones(1, 32, 32, dtype=torch.long),
    }
