"""transformers' way to SDPA: keys and values are repeated for the query heads, and a float mask of minimum values is passed.

Truth: SDPA's flash kernel takes the mask. It is a table of 1,024 by 1,024 that hides the future and the padding.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

def repeat_kv(x, times):
    batch, heads, tokens, width = x.shape
    return x[:, :, None].expand(batch, heads, times, tokens, width).reshape(batch, heads * times, tokens, width)


def sdpa_attention_forward(module, query, key, value, attention_mask, scaling):
    key, value = repeat_kv(key, module.groups), repeat_kv(value, module.groups)
    mask = attention_mask[:, :, :, : key.shape[-2]]
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)  # expect CD506 causal-and-padding; attention fused
    return output.transpose(1, 2).contiguous(), None


class Attention(nn.Module):
    def __init__(self, dim=128, heads=4, kv_heads=2):
        super().__init__()
        self.width, self.groups = dim // heads, heads // kv_heads
        self.q_proj, self.o_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.k_proj, self.v_proj = (nn.Linear(dim, kv_heads * self.width, bias=False) for _ in range(2))

    def forward(self, x, attention_mask):
        shape = (*x.shape[:-1], -1, self.width)
        q, k, v = (proj(x).view(shape).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj))
        output, _ = sdpa_attention_forward(self, q, k, v, attention_mask, self.width**-0.5)
        return self.o_proj(output.reshape(*x.shape[:-1], -1))


def causal_mask(padding):
    tokens = padding.shape[1]
    mask = torch.full((tokens, tokens), torch.finfo(torch.float32).min).triu(1)[None, None].repeat(len(padding), 1, 1, 1)
    return mask.masked_fill(~padding[:, None, None, :], torch.finfo(torch.float32).min)


def build_model():
    return Attention()


def example_inputs():
    padding = torch.arange(1024)[None] < torch.tensor([[1024], [900]])
    return torch.randn(2, 1024, 128), causal_mask(padding)
