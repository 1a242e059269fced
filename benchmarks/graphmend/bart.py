"""BART in float16, as in the paper: bart, bart-base and rebel-large share this code."""

import torch
from transformers import BartConfig, BartForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = BartConfig(
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
    return BartForConditionalGeneration(config).eval().half()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 128, (1, 8))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "decoder_input_ids": ids[:, :1]}
