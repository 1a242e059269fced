"""Long-context attention in two halves, merged by their log-sum-exp, in a program that sets suppress_errors.

Truth: Inductor's CPU template cannot return the log-sum-exp. The compilation error is swallowed, for the model and for
flex_attention as a frame of its own: those frames are skipped, and both halves run eagerly with their score matrices.
"""
# summary verdict=unhealthy exit=1
# backend inductor
import torch
import torch._dynamo
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

torch._dynamo.config.suppress_errors = True


class MergedAttention(nn.Module):
    def part(self, q, k, v):  # expect CD104 skipped [!=2.9.*,!=2.10.*]
        return flex_attention(q, k, v, return_lse=True)  # expect CD301 suppressed; expect CD101 warns-of-return-lse [>=2.9,<2.11]; attention dense

    def forward(self, q, k, v):  # expect CD104 skipped
        half = k.shape[2] // 2
        left, left_lse = self.part(q, k[:, :, :half], v[:, :, :half])
        right, right_lse = self.part(q, k[:, :, half:], v[:, :, half:])
        weight = torch.sigmoid(left_lse - right_lse)[..., None]
        return weight * left + (1 - weight) * right


def build_model():
    return MergedAttention().eval()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 64) for _ in range(3))
