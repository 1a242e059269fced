"""Qwen2-VL: image tokens spliced into a decoder."""

import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    text = {
        "vocab_size": 99,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
    }
    vision = {"depth": 2, "embed_dim": 32, "num_heads": 4, "hidden_size": 32, "patch_size": 4}
    config = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=90,
        vision_start_token_id=91,
        vision_end_token_id=92,
    )
    model = Qwen2VLForConditionalGeneration(config)
    return model.eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(3, 80, (1, 16))
    ids[0, 1], ids[0, 2:6], ids[0, 6] = 91, 90, 92  # the image's tokens between its markers
    return {
        "input_ids": ids,
        "pixel_values": torch.randn(16, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, 4, 4]]),
        "mm_token_type_ids": (ids == 90).long(),
    }
