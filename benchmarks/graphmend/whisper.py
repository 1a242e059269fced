"""Whisper: whisper, whisper-small and whisper-base share this code."""

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=128,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_source_positions=64,
        max_target_positions=64,
        num_mel_bins=80,
        decoder_start_token_id=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return WhisperForConditionalGeneration(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_features": torch.randn(1, 80, 128), "decoder_input_ids": torch.randint(3, 128, (1, 8))}
