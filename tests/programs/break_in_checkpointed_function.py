"""A method that is checkpointed through the module's name, with a helper in it that reads a tensor's value.

Truth: the item() is two calls below the checkpoint. torch calls the checkpoint without compiling anything: `attend`, which
was passed to it, and the helper run in plain Python. What comes before and after is compiled.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=1 verdict=unhealthy exit=1
# says CD104: Mixer.attend and all that it calls run in plain Python
# never CD104: the rest of
import torch
import torch.utils.checkpoint as recompute
from torch import nn


def temperature(scores):
    return max(scores.std().item(), 0.1)  # expect CD101 item


class Mixer(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def attend(self, q):  # expect CD104 checkpointed
        scores = q @ q.transpose(-1, -2)
        return (scores / temperature(scores)).softmax(-1) @ q

    def forward(self, x):
        q = self.query(x).relu()
        mixed = recompute.checkpoint(self.attend, q, use_reentrant=False)
        return self.out(mixed).sigmoid()


def build_model():
    return Mixer().eval()


def example_inputs():
    return (torch.randn(2, 5, 8),)
