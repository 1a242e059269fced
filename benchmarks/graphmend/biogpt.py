"""BioGPT."""

import torch
from transformers import BioGptConfig, BioGptForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = BioGptConfig(
        vocab_size=128,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    return BioGptForCausalLM(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 128, (1, 8))}
