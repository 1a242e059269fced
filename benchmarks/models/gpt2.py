"""GPT-2: decoder with learned positions."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=99,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
    )
    model = GPT2LMHeadModel(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
