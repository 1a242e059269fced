"""Reinforcement-learning value network: rollouts under no_grad, updates with grad.

Truth: grad mode is part of the global state that every frame guards.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# option --as-is
# option --grad
import torch
from torch import nn


class ValueNet(nn.Module):
    def __init__(self, dim=6):
        super().__init__()
        self.body, self.value = nn.Linear(dim, 16), nn.Linear(16, 1)

    def forward(self, observation):  # expect CD206 grad-mode
        hidden = torch.tanh(self.body(observation))
        return self.value(hidden).squeeze(-1)


def build_model():
    compiled = torch.compile(ValueNet(), backend="eager")

    def step(observation, rollout):
        if rollout:
            with torch.no_grad():
                return compiled(observation)
        return compiled(observation).square().mean()

    return step


def example_input_sets():
    x = torch.randn(4, 6)
    return [(x, True), (x, False), (x, True)]
