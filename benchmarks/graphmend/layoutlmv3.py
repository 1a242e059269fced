"""LayoutLMv3 without its image part."""

import torch
from transformers import LayoutLMv3Config, LayoutLMv3Model


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = LayoutLMv3Config(
        vocab_size=128,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
        max_2d_position_embeddings=1024,
        coordinate_size=8,
        shape_size=16,
        input_size=32,
        patch_size=16,
        visual_embed=False,
    )
    return LayoutLMv3Model(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 128, (1, 8)), "bbox": torch.zeros(1, 8, 4, dtype=torch.long)}
