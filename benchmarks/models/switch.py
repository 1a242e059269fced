"""Switch Transformers: encoder-decoder with sparse experts."""

import torch
from transformers import SwitchTransformersConfig, SwitchTransformersForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = SwitchTransformersConfig(
        vocab_size=99,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        num_experts=4,
        num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=1,
        decoder_start_token_id=0,
    )
    model = SwitchTransformersForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 99, (2, 16))
    return {"input_ids": ids, "decoder_input_ids": ids[:, :8]}
