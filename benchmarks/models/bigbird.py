"""BigBird: block-sparse encoder."""

import torch
from transformers import BigBirdConfig, BigBirdForMaskedLM


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = BigBirdConfig(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        attention_type="block_sparse",
        block_size=4,
        num_random_blocks=2,
        max_position_embeddings=128,
    )
    model = BigBirdForMaskedLM(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_ids": torch.randint(3, 99, (1, 64))}
