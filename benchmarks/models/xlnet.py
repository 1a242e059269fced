"""XLNet: two-stream permutation language model."""

import torch
from transformers import XLNetConfig, XLNetLMHeadModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = XLNetConfig(
        vocab_size=99,
        d_model=32,
        n_layer=2,
        n_head=4,
        d_inner=64,
    )
    model = XLNetLMHeadModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
