"""Loss whose weight is a module-level global that the training loop changes between steps.

Truth: a global read by compiled code is guarded at the line that reads it.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# option --as-is
import torch
import torch.nn.functional as F
from torch import nn

CURRICULUM = "easy"


class CurriculumLoss(nn.Module):
    def __init__(self, dim=6, classes=4):
        super().__init__()
        self.head = nn.Linear(dim, classes)

    def forward(self, x, y):
        logits = self.head(x)
        if CURRICULUM == "easy":  # expect CD201 global
            return F.cross_entropy(logits, y, label_smoothing=0.1)
        per_row = F.cross_entropy(logits, y, reduction="none")
        return per_row.topk(2).values.mean()


def build_model():
    step = torch.compile(CurriculumLoss().eval(), backend="eager")

    def train(x, y, phase):
        global CURRICULUM
        CURRICULUM = phase
        return step(x, y)

    return train


def example_input_sets():
    x, y = torch.randn(5, 6), torch.randint(0, 4, (5,))
    return [(x, y, "easy"), (x, y, "hard")]
