"""Contrastive loss that prints its value.

Truth: one line with two causes: first Tensor.item(), then, in the resumed frame, print of the
float that came back.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=unhealthy exit=1
import torch
import torch.nn.functional as F
from torch import nn


class ContrastiveLoss(nn.Module):
    def __init__(self, dim=8, temperature=0.1):
        super().__init__()
        self.temperature = temperature
        self.left, self.right = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, a, b):
        a = F.normalize(self.left(a), dim=-1)
        b = F.normalize(self.right(b), dim=-1)
        logits = a @ b.T / self.temperature
        target = torch.arange(logits.shape[0])
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        print("contrastive", loss.item())  # expect CD101 item
        return loss, logits.softmax(dim=-1)


def build_model():
    return ContrastiveLoss().eval()


def example_inputs():
    return (torch.randn(4, 8), torch.randn(4, 8))
