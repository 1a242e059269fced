"""X-MOD: encoder with an adapter per language."""

import torch
from transformers import XmodConfig, XmodModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = XmodConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        languages=("en_XX", "de_DE"),
        default_language="en_XX",
    )
    model = XmodModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
