"""Longformer: sliding-window encoder."""

import torch
from transformers import LongformerConfig, LongformerForMaskedLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = LongformerConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        attention_window=4,
        max_position_embeddings=64,
    )
    model = LongformerForMaskedLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
