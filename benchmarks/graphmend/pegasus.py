"""The decoder of Pegasus."""

import torch
from transformers import PegasusConfig, PegasusForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = PegasusConfig(
        vocab_size=128,
        d_model=64,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=128,
        max_position_embeddings=64,
    )
    return PegasusForCausalLM(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 128, (1, 8))}
