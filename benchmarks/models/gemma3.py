"""Gemma 3: decoder with local and global layers."""

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=8,
    )
    model = Gemma3ForCausalLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
