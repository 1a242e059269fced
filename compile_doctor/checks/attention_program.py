"""The program that the checks of flex_attention share: a complete attention layer with a window, shown by `explain`."""

from __future__ import annotations

_PROGRAM = """\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
{imports}

def near(b, h, q, k):
    return (q - k).abs() <= 32

{before}
class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(near, None, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        {body}


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 32) for _ in range(3))
"""


def attention_program(body: str = "", before: str = "", imports: str = "") -> str:
    """The target file with `body` as the layer's forward (default: plain flex_attention) and `before` above the class."""
    return _PROGRAM.format(
        body=(body or "return flex_attention(q, k, v, block_mask=self.mask)").replace("\n", "\n        "),
        before=f"\n{before}\n\n" if before else "",
        imports=f"{imports}\n" if imports else "",
    )


PLAIN = attention_program()
"""A program without a problem."""
ISOLATED = attention_program(
    "return isolated(q, k, v, self.mask)",
    before="""\
compiled_flex = torch.compile(flex_attention)


@torch.compiler.disable
def isolated(q, k, v, mask):
    return compiled_flex(q, k, v, block_mask=mask)""",
)
"""flex_attention kept out of the graph, in the way that keeps it fused."""
