"""JetMoE: experts in attention and feed-forward."""

import torch
from transformers import JetMoeConfig, JetMoeForCausalLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = JetMoeConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_key_value_heads=2,
        kv_channels=8,
        intermediate_size=64,
        num_local_experts=4,
    )
    model = JetMoeForCausalLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
