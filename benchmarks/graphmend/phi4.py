"""Phi-4-mini with its long rotary embeddings."""

import torch
from transformers import Phi3Config, Phi3ForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    scaling = {"type": "longrope", "short_factor": [1.0] * 16, "long_factor": [2.0] * 16}
    config = Phi3Config(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=128,
        pad_token_id=0,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        original_max_position_embeddings=16,
        rope_scaling=scaling,
    )
    return Phi3ForCausalLM(config).eval()


def example_input_sets() -> list[dict[str, torch.Tensor]]:
    """Positions before and after the end of the short embeddings, so that both sides of the branch run."""
    torch.manual_seed(1)
    ids = torch.randint(3, 128, (1, 8))
    return [{"input_ids": ids, "position_ids": torch.arange(8)[None] + start} for start in (0, 12)]
