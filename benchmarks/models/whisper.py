"""Whisper: speech encoder with a text decoder."""

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=99,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_mel_bins=16,
        max_source_positions=32,
        max_target_positions=32,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = WhisperForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "input_features": torch.randn(1, 16, 64),
        "decoder_input_ids": torch.randint(3, 99, (1, 8)),
    }
