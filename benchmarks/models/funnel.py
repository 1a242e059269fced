"""Funnel: encoder that pools its sequence."""

import torch
from transformers import FunnelConfig, FunnelForMaskedLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = FunnelConfig(
        vocab_size=99,
        block_sizes=[1, 1],
        num_decoder_layers=1,
        d_model=32,
        n_head=4,
        d_head=8,
        d_inner=64,
    )
    model = FunnelForMaskedLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
