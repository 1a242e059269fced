"""Generation without a cache: the whole sequence is run again, one token longer, shapes static.

Truth: eight lengths fill recompile_limit; from the ninth call on forward runs eagerly (CD202), the
cause is the growing dimension (CD205).
"""
# summary graph_breaks=0 recompiles=7 graphs=8 verdict=unhealthy exit=1
# option --no-dynamic
import torch
from torch import nn


class CausalConvLM(nn.Module):
    def __init__(self, vocab=16, dim=8, width=3):
        super().__init__()
        self.width = width
        self.embed = nn.Embedding(vocab, dim)
        self.conv = nn.Conv1d(dim, dim, width)
        self.head = nn.Linear(dim, vocab)

    def forward(self, ids):  # expect CD205 growing-sequence; expect CD202 recompile-limit
        x = self.embed(ids).transpose(1, 2)
        x = nn.functional.pad(x, (self.width - 1, 0))
        hidden = torch.relu(self.conv(x)).transpose(1, 2)
        return self.head(hidden[:, -1]).log_softmax(dim=-1)


def build_model():
    return CausalConvLM().eval()


def example_input_sets():
    ids = torch.randint(0, 16, (1, 16))
    return [(ids[:, :length].clone(),) for length in range(4, 15)]
