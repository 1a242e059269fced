"""A vision transformer whose layers, attention and compilation vary: run it with `compile-doctor matrix`.

`float8=True` makes torchao's float8 training layers of the Linear layers of the blocks. `window=256` lets a patch
see only the patches up to 256 positions away, by flex_attention; otherwise attention is SDPA over all patches.

    compile-doctor matrix example:matrix --torch 2.8.0,2.13.0
"""

from math import ceil, isqrt

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

MATRIX = {"float8": [False, True], "window": [None, 256], "compile": ["off", "on"]}
MATRIX_REQUIREMENTS = {"<2.10": ["torchao==0.13.0"], ">=2.10": ["torchao==0.18.0"]}

HEADS, DIM, BLOCKS, PATCH, BLOCK = 2, 64, 4, 8, 128
WIDTH = HEADS * DIM


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        heads = (
            project(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        q, k, v = heads
        if mask is None:
            attended = F.scaled_dot_product_attention(q, k, v)
        else:
            # Torch 2.13 to 2.15 need contiguous ones on a CPU: `compile-doctor explain cpu-flex-query-view`.
            attended = flex_attention(q.contiguous(), k.contiguous(), v, block_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.classes = nn.Linear(WIDTH, 10)

    def forward(self, image: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x, mask)
        return self.classes(self.norm(x).mean(1))


def window_mask(tokens: int, window: int) -> BlockMask:
    """Built from blocks of 128 patches, so that no table of tokens × tokens is needed."""

    def near(batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (q - k).abs() <= window

    block = torch.arange(ceil(tokens / BLOCK))
    meets = (block[:, None] - block).abs() <= ceil(window / BLOCK)
    count = meets.sum(-1, dtype=torch.int32)
    order = meets.int().argsort(dim=-1, descending=True, stable=True).int()  # the blocks that meet come first
    return BlockMask.from_kv_blocks(
        count[None, None], order[None, None], BLOCK_SIZE=BLOCK, mask_mod=near, seq_lengths=(tokens, tokens)
    )


def build_model(float8: bool = False) -> nn.Module:
    model = VisionTransformer().bfloat16()
    if float8:
        from torchao.float8 import convert_to_float8_training

        convert_to_float8_training(model.blocks)
    return model


def example_inputs(tokens: int = 2304, window: int | None = None) -> tuple[torch.Tensor, BlockMask | None]:
    """An image of at least as many patches: its sides have a whole number of them."""
    side = isqrt(tokens - 1) + 1
    image = torch.randn(1, 3, side * PATCH, side * PATCH, dtype=torch.bfloat16)
    return image, None if window is None else window_mask(side * side, window)
