"""Policy network that records statistics through a function its author disabled on purpose.

Truth: a torch.compiler.disable'd user function breaks the graph deliberately: info, not an error.
"""
# summary graph_breaks=1 recompiles=0 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn

HISTORY = []


@torch.compiler.disable
def record(name, value):
    HISTORY.append((name, value.mean().item()))


class Policy(nn.Module):
    def __init__(self, dim=6, actions=3):
        super().__init__()
        self.body, self.head = nn.Linear(dim, 16), nn.Linear(16, actions)

    def forward(self, observation):
        hidden = torch.tanh(self.body(observation))
        record("hidden", hidden)  # expect CD101 deliberate
        return self.head(hidden).log_softmax(dim=-1)


def build_model():
    return Policy().eval()


def example_inputs():
    return (torch.randn(4, 6),)
