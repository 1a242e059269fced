"""XLM: encoder with sequence lengths and language embeddings."""

import torch
from transformers import XLMConfig, XLMModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = XLMConfig(
        vocab_size=99,
        emb_dim=32,
        n_layers=2,
        n_heads=4,
        n_langs=2,
        max_position_embeddings=64,
    )
    model = XLMModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
