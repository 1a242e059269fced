"""LLaVA: CLIP features instead of image tokens in Llama."""

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**size, image_size=32, patch_size=8),
        text_config=LlamaConfig(**size, vocab_size=99),
        image_token_id=90,
    )
    model = LlavaForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 80, (1, 24))
    ids[0, 2:18] = 90  # one token per image patch
    return {"input_ids": ids, "pixel_values": torch.randn(1, 3, 32, 32)}
