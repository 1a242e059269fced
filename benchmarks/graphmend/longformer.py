"""Longformer, with a length that is not a multiple of its window."""

import torch
from transformers import LongformerConfig, LongformerModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = LongformerConfig(
        vocab_size=128,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=512,
        attention_window=8,
    )
    return LongformerModel(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 128, (1, 20))}
