"""CLAP with fused audio (clap-htsat-fused)."""

import torch
from transformers import ClapConfig, ClapModel


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    text = {
        "vocab_size": 128,
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 128,
    }
    config = ClapConfig(text_config=text, audio_config={"enable_fusion": True}, projection_dim=32)
    return ClapModel(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 128, (1, 8))
    audio = {"input_features": torch.randn(1, 4, 1001, 64), "is_longer": torch.ones(1, 1, dtype=torch.bool)}
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **audio}
