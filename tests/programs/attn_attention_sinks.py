"""gpt-oss' attention: a learned logit for each head, the sink, is one more column of the scores in the softmax.

Truth: the scores of every head are tensors of the graph, with a column more and without it again.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# says CD505: Append a key and a value of zeros
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class Attention(nn.Module):
    def __init__(self, heads=2):
        super().__init__()
        self.sinks = nn.Parameter(torch.zeros(heads))

    def forward(self, q, k, v):
        tokens = q.shape[2]
        logits = torch.matmul(q, k.transpose(2, 3)) * q.shape[-1] ** -0.5
        hidden = torch.ones(tokens, tokens, dtype=torch.bool).tril().triu(-127).logical_not()
        logits = logits.masked_fill(hidden, float("-inf"))
        sinks = self.sinks.reshape(1, -1, 1, 1).expand(q.shape[0], -1, tokens, 1)
        combined = torch.cat([logits, sinks], dim=-1)
        combined = combined - combined.max(dim=-1, keepdim=True).values
        probs = F.softmax(combined, dim=-1)  # expect CD505 sink
        scores = probs[..., :-1]
        return torch.matmul(scores, v).transpose(1, 2).contiguous()


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
