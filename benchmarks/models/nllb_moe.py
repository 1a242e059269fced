"""NLLB-MoE: translation with sparse experts."""

import torch
from transformers import NllbMoeConfig, NllbMoeForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = NllbMoeConfig(
        vocab_size=99,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_experts=4,
        encoder_sparse_step=1,
        decoder_sparse_step=1,
        max_position_embeddings=64,
    )
    model = NllbMoeForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 99, (2, 16))
    return {"input_ids": ids, "decoder_input_ids": ids[:, :8]}
