"""Self-distillation step that keeps a deep copy of its centre before it updates it.

Truth: copy.deepcopy of a tensor is not traceable, in copy itself up to some version and deeper in the
copy module later: the user's line is the same.
"""
# summary recompiles=0 verdict=unhealthy exit=1
import copy

import torch
import torch.nn.functional as F
from torch import nn


class SelfDistiller(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.backbone = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, 4)
        self.register_buffer("centre", torch.zeros(4))

    def forward(self, view1, view2):
        features1, features2 = self.backbone(view1), self.backbone(view2)
        student_logits = self.head(features1)
        teacher_logits = self.head(features2).detach()
        centre = copy.deepcopy(self.centre)  # expect CD101 deepcopy
        self.centre.mul_(0.9).add_(teacher_logits.mean(dim=0), alpha=0.1)
        teacher_logits = teacher_logits - centre
        return F.kl_div(student_logits.log_softmax(-1), teacher_logits.softmax(-1), reduction="batchmean")


def build_model():
    return SelfDistiller().eval()


def example_inputs():
    return (torch.randn(4, 8), torch.randn(4, 8))
