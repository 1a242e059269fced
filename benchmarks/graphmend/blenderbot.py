"""Blenderbot."""

import torch
from transformers import BlenderbotConfig, BlenderbotForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = BlenderbotConfig(
        vocab_size=128,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_position_embeddings=64,
    )
    return BlenderbotForConditionalGeneration(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 128, (1, 8))
    return {"input_ids": ids, "decoder_input_ids": ids}
