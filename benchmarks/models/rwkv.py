"""RWKV: linear attention as a recurrence."""

import torch
from transformers import RwkvConfig, RwkvForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = RwkvConfig(
        vocab_size=99,
        hidden_size=32,
        attention_hidden_size=32,
        num_hidden_layers=2,
        intermediate_size=64,
    )
    model = RwkvForCausalLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
