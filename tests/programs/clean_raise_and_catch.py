"""GRU cell that raises and catches an exception of its own while it looks for a shape that fits.

Clean: Dynamo traces raise, except and the retry, all of them decided by shapes.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class ShapeMismatch(Exception):
    pass


class FlexibleGRUCell(nn.Module):
    def __init__(self, dim=6, hidden=8):
        super().__init__()
        self.hidden = hidden
        self.input, self.state = nn.Linear(dim, 3 * hidden), nn.Linear(hidden, 3 * hidden)

    def check(self, state, batch):
        if state.shape[0] != batch:
            raise ShapeMismatch
        return state

    def forward(self, x, state):
        try:
            state = self.check(state, x.shape[0])
        except ShapeMismatch:
            state = state.expand(x.shape[0], self.hidden)
        reset_x, update_x, new_x = self.input(x).chunk(3, dim=-1)
        reset_h, update_h, new_h = self.state(state).chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        candidate = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return update * state + (1 - update) * candidate


def build_model():
    return FlexibleGRUCell().eval()


def example_inputs():
    return (torch.randn(3, 6), torch.zeros(1, 8))
