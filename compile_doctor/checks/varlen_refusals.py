"""What to do about the inputs and settings that varlen_attn refuses, in eager mode as in a graph."""

from __future__ import annotations

import re

_FIXES = (
    (
        r"same number of heads but got Hq=(?P<queries>\d+) and Hkv=(?P<keys>\d+)",
        "Pass enable_gqa=True, with which {queries} query heads share the {keys} of key and value.",
    ),
    (
        r"multiple of kv heads for GQA but got Hq=(?P<queries>\d+) and Hkv=(?P<keys>\d+)",
        "Make the number of query heads ({queries}) a multiple of the heads of key and value ({keys}).",
    ),
    (r"window_size must have length 2", "Pass window_size=(left, right): (-1, -1) for no limit, (-1, 0) for causal."),
    (r"scale must be greater than 0", "Pass a positive scale, or none: the default is 1 / sqrt(head dim)."),
    (
        r"(?P<name>seqused_k|block_table) is an inference-only parameter",
        "Call varlen_attn under torch.no_grad(), or train without {name}: cu_seq_k alone gives the lengths.",
    ),
    (
        r"num_splits is not supported|not (?:yet )?supported with the cuDNN backend|cuDNN backend does not support"
        r"|CUDNN_ATTENTION was requested for varlen_attn",
        "Let sdpa_kernel() around the call allow SDPBackend.FLASH_ATTENTION too, or leave out what cuDNN refuses.",
    ),
    (
        r"No viable backend for varlen_attn",
        "Let sdpa_kernel() around the call allow SDPBackend.FLASH_ATTENTION or CUDNN_ATTENTION: varlen_attn has no other.",
    ),
    (
        r"FlashAttention only supports Ampere GPUs or newer",
        "Use flex_attention with a BlockMask that compares document numbers: it has kernels for older GPUs.",
    ),
    (r"FlashAttention only support fp16 and bf16 data type", "Cast query, key and value to bfloat16 or float16."),
    (r"query and (?P<name>key|value) must have the same dtype", "Cast {name} to the dtype of query."),
    (
        r"(?P<name>cu_seqlens_[qk]|seqused_k|block_table) must have dtype (?:torch\.)?int32",
        "Make {name} int32: torch.cumsum(lengths, 0, dtype=torch.int32) keeps it so.",
    ),
    (r"Input tensor must have contiguous last dimension", "Make the last dimension contiguous: q.contiguous()."),
    (
        r"only supports head dimension at most 256",
        "Use heads of at most 256, or flex_attention with a BlockMask that compares document numbers.",
    ),
    (r"head_size must be a multiple of 8", "Pad the heads to a multiple of 8 with zeros, and cut the result."),
    (r"cache block size must be divisible by 256", "Use pages of a multiple of 256 tokens for the cache."),
)
"""torch's words (torch/nn/attention/varlen.py of 2.11 to 2.15, flash_attn/flash_api.cpp) and what to write instead."""


def varlen_fix(message: str, text: str) -> str | None:
    """The fix for what varlen_attn raised; None if the traceback does not go through it, or the message is another."""
    if "varlen_attn" not in text:
        return None
    for pattern, fix in _FIXES:
        if found := re.search(pattern, message):
            return fix.format(**found.groupdict())
    return None
