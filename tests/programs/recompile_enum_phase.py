"""Actor-critic that takes the phase of training as an enum member.

Truth: an enum member is a constant of the graph; another member compiles forward again.
"""
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
import enum

import torch
from torch import nn


class Phase(enum.Enum):
    WARMUP = "warmup"
    POLICY = "policy"


class ActorCritic(nn.Module):
    def __init__(self, dim=6, actions=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(dim, 16), nn.Tanh())
        self.actor, self.critic = nn.Linear(16, actions), nn.Linear(16, 1)

    def forward(self, observation, phase):
        hidden = self.body(observation)
        value = self.critic(hidden).squeeze(-1)
        if phase is Phase.WARMUP:  # expect CD201 enum-argument
            return value, torch.zeros(observation.shape[0], 3)
        return value, self.actor(hidden).log_softmax(dim=-1)


def build_model():
    return ActorCritic().eval()


def example_input_sets():
    x = torch.randn(4, 6)
    return [(x, Phase.WARMUP), (x, Phase.POLICY)]
