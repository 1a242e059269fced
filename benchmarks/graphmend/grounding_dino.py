"""Grounding DINO: grounding-dino-tiny and -base share this code."""

import torch
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoModel, SwinConfig


def build_model() -> torch.nn.Module:
    torch.manual_seed(0)
    image = SwinConfig(
        image_size=32,
        patch_size=4,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[1, 1],
        window_size=2,
        out_features=["stage1", "stage2"],
    )
    text = BertConfig(
        vocab_size=128,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    config = GroundingDinoConfig(
        backbone_config=image,
        text_config=text,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        num_queries=4,
        num_feature_levels=2,
        use_timm_backbone=False,
    )
    return GroundingDinoModel(config).eval()


def example_inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"pixel_values": torch.randn(1, 3, 32, 32), "input_ids": torch.randint(3, 128, (1, 8))}
