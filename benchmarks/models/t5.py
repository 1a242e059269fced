"""T5: encoder-decoder with relative position buckets."""

import torch
from transformers import T5Config, T5ForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=99,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 99, (2, 16))
    return {"input_ids": ids, "decoder_input_ids": ids[:, :8]}
