"""Three defects of torch's CPU code generator for flex_attention, each next to the line that avoids it.

`build_model()` avoids all three. `query_view()` and `epilogue()` cannot be compiled on a CPU, though eager runs them.
`view_offset()` compiles, and on a CPU its results are wrong: where one tensor holds q, k and v, the kernel reads v at
the start of that tensor.
"""

import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

HEADS, DIM = 2, 64
WIDTH = HEADS * DIM


def nearer_is_better(
    score: torch.Tensor, batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
) -> torch.Tensor:
    return score - (q - k).abs() * 2.0 ** -(head + 1)


class Attention(nn.Module):
    """q, k and v come from one projection or from three; a gate weighs the result, head by head."""

    def __init__(self, *, joint: bool = False, copied: str = "qk", gate_first: bool = False) -> None:
        super().__init__()
        self.joint, self.copied, self.gate_first = joint, copied, gate_first
        self.project = nn.ModuleList([nn.Linear(WIDTH, 3 * WIDTH)] if joint else [nn.Linear(WIDTH, WIDTH)] * 3)
        self.gate = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.out = nn.Linear(WIDTH, WIDTH)
