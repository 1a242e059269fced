"""transformers' "eager" attention: products, a float mask, softmax in float32, dropout that is off.

Truth: the scores of every head are tensors of the graph.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0):
    attn_weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    attn_weights = attn_weights + attention_mask[:, :, :, : key.shape[-2]]
    attn_weights = F.softmax(attn_weights, dim=-1, dtype=torch.float32).to(query.dtype)  # expect CD505 by-hand
    attn_weights = F.dropout(attn_weights, p=dropout, training=module.training)
    return torch.matmul(attn_weights, value).transpose(1, 2).contiguous(), attn_weights


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.width = dim // heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, x, attention_mask):
        shape = (*x.shape[:-1], -1, self.width)
        q, k, v = (proj(x).view(shape).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        output, weights = eager_attention_forward(self, q, k, v, attention_mask, self.width**-0.5)
        return output.flatten(2)


def build_model():
    return Attention().to(torch.bfloat16).eval()


def example_inputs():
    mask = torch.full((1024, 1024), torch.finfo(torch.bfloat16).min, dtype=torch.bfloat16).triu(1)[None, None]
    return torch.randn(1, 1024, 64, dtype=torch.bfloat16), mask
