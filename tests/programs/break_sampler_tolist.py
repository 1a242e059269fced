"""Top-k sampler which hands its tokens to Python as a list.

Truth: Tensor.tolist() needs the values as Python numbers.
"""
# summary graph_breaks=1 recompiles=0 verdict=unhealthy exit=1
import torch
from torch import nn

class TopKSampler(nn.Module):
    def __init__(self, dim=8, vocab=20, k=4):
        super().__init__()
        self.k = k
        self.head = nn.Linear(dim, vocab)

    def forward(self, hidden):
        logits = self.head(hidden[:, -1])
        values, indices = logits.topk(self.k, dim=-1)
        probabilities = values.softmax(dim=-1)
        choice = probabilities.argmax(dim=-1, keepdim=True)
        tokens = indices.gather(-1, choice).squeeze(-1)
        picked = tokens.tolist()  # expect CD101 tolist
        return probabilities / probabilities.sum(-1, keepdim=True), picked


def build_model():
    return TopKSampler().eval()


def example_inputs():
    return (torch.randn(2, 3, 8),)
