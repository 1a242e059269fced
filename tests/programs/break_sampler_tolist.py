"""Top-k sampler which hands its tokens to Python as a list.

Truth: Tensor.tolist() needs the values as Python numbers. Up to 2.9 Dynamo traced it for integer
tensors; from 2.10 it breaks.
"""
# summary recompiles=0 frames_skipped=0
# summary graph_breaks=1 graphs=2 verdict=unhealthy exit=1 [>=2.10]
# summary graph_breaks=0 graphs=1 verdict=healthy exit=0 [<2.10]
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
        picked = tokens.tolist()  # expect CD101 tolist [>=2.10]
        return probabilities / probabilities.sum(-1, keepdim=True), picked


def build_model():
    return TopKSampler().eval()


def example_inputs():
    return (torch.randn(2, 3, 8),)
