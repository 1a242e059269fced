"""Chronos-Bolt, of the package chronos-forecasting 1.5.3: T5 on patches of a time series."""

import torch
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = T5Config(d_model=64, d_ff=128, num_layers=2, num_heads=2, d_kv=32, decoder_start_token_id=0)
    config.chronos_config = {
        "context_length": 64,
        "prediction_length": 8,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [0.1, 0.5, 0.9],
        "use_reg_token": True,
    }
    return ChronosBoltModelForForecasting(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"context": torch.randn(1, 64)}
