"""DeBERTa-v2: encoder with disentangled relative attention."""

import torch
from transformers import DebertaV2Config, DebertaV2ForMaskedLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = DebertaV2Config(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        relative_attention=True,
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c"],
    )
    model = DebertaV2ForMaskedLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (2, 16))}
