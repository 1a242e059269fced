"""Reformer: locality-sensitive hashing and chunked layers."""

import torch
from transformers import ReformerConfig, ReformerModelWithLMHead


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = ReformerConfig(
        attn_layers=["local", "lsh"],
        vocab_size=99,
        hidden_size=32,
        num_attention_heads=2,
        attention_head_size=16,
        feed_forward_size=64,
        axial_pos_shape=[4, 4],
        axial_pos_embds_dim=[16, 16],
        max_position_embeddings=16,
        local_attn_chunk_length=4,
        lsh_attn_chunk_length=4,
        num_hashes=1,
        num_buckets=2,
        is_decoder=True,
    )
    model = ReformerModelWithLMHead(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (1, 16))}
