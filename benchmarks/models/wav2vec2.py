"""wav2vec 2.0: speech encoder on convolutions."""

import torch
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=99,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    model = Wav2Vec2ForCTC(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"input_values": torch.randn(1, 800)}
