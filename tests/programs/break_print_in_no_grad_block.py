"""BYOL-like step whose target branch prints inside `with torch.no_grad()`.

Truth: the print breaks; no_grad is a context Dynamo can leave and re-enter, so it resumes inside it.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=unhealthy exit=1
# option --grad
import torch
import torch.nn.functional as F
from torch import nn


class Byol(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.online = nn.Sequential(nn.Linear(dim, 16), nn.ReLU(), nn.Linear(16, 4))
        self.target = nn.Linear(dim, 4)

    def forward(self, view1, view2):
        prediction = F.normalize(self.online(view1), dim=-1)
        with torch.no_grad():
            goal = self.target(view2)
            print("target norm", goal.norm())  # expect CD101 print
            goal = F.normalize(goal, dim=-1)
        return 2 - 2 * (prediction * goal).sum(dim=-1).mean()


def build_model():
    return Byol().train()


def example_inputs():
    return (torch.randn(4, 8), torch.randn(4, 8))
