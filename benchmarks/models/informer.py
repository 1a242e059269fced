"""Informer: time series with sparse attention."""

import torch
from transformers import InformerConfig, InformerModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = InformerConfig(
        prediction_length=4,
        context_length=8,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_time_features=1,
    )
    model = InformerModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "past_values": torch.randn(2, 15),
        "past_time_features": torch.randn(2, 15, 1),
        "past_observed_mask": torch.ones(2, 15),
        "future_values": torch.randn(2, 4),
        "future_time_features": torch.randn(2, 4, 1),
    }
