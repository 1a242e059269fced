"""Mamba: state-space model, with its eager scan."""

import torch
from transformers import MambaConfig, MambaForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = MambaConfig(vocab_size=99, hidden_size=32, num_hidden_layers=2, state_size=4)
    model = MambaForCausalLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
