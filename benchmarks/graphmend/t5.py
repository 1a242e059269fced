"""T5: t5-small, t5-base, t5-3b, flan-t5-large and inclusively-reformulation-it5 share this code."""

import torch
from transformers import T5Config, T5ForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    config = T5Config(vocab_size=128, d_model=64, d_ff=128, num_layers=2, num_heads=2, d_kv=32)
    return T5ForConditionalGeneration(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 128, (1, 8))
    return {"input_ids": ids, "decoder_input_ids": ids}
