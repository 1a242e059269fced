"""Tagger that gets batches of several sizes and lengths, among them one sentence, and one token.
Truth: the length becomes dynamic, then the batch; one row has a graph of its own, and so have two rows or more of any length
after it. Nothing grows from call to call, and no line branches on a size.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=4 graphs=5 exit=0
# never CD201: Remove the branch
import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, tokens):  # expect CD201 length; expect CD201 batch; expect CD201 one-row
        hidden = self.embed(tokens)
        return self.head(hidden + hidden.mean(1, keepdim=True))


def build_model():
    return Tagger()


def example_input_sets():
    return [(torch.randint(0, 50, sizes),) for sizes in ((2, 7), (2, 9), (3, 9), (1, 12), (5, 1))]
