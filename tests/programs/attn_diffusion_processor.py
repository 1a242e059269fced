"""diffusers' attention: the block hands itself to a processor object, which calls SDPA over a flattened image.

Truth: SDPA's flash kernel, no mask.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
torch.set_num_threads(1)

class AttnProcessor2_0:
    def __call__(self, attn, hidden_states, encoder_hidden_states=None):
        batch, channels, height, width = hidden_states.shape
        residual = hidden_states
        hidden_states = attn.group_norm(hidden_states).view(batch, channels, height * width).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        head_dim = channels // attn.heads
        q, k, v = (x.view(batch, -1, attn.heads, head_dim).transpose(1, 2) for x in (q, k, v))
        hidden_states = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False)  # attention fused
        hidden_states = attn.to_out(hidden_states.transpose(1, 2).reshape(batch, -1, channels))
        return hidden_states.transpose(-1, -2).reshape(batch, channels, height, width) + residual


class Attention(nn.Module):
    def __init__(self, channels=64, heads=2, processor=None):
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(8, channels)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.to_out = nn.Linear(channels, channels)
        self.processor = processor or AttnProcessor2_0()

    def forward(self, hidden_states, encoder_hidden_states=None):
        return self.processor(self, hidden_states, encoder_hidden_states)


def build_model():
    return Attention()


def example_inputs():
    return (torch.randn(1, 64, 32, 32),)
