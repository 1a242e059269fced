"""What flash_attn's functions compute, written out: a loop over sequences, heads, queries and keys, in float64.

From the docstrings of flash_attn/flash_attn_interface.py (2.8) of https://github.com/Dao-AILab/flash-attention:
query head h reads key head h // (heads / heads_k); causal and window are aligned bottom right; a row without keys is
zero; the soft cap is applied to the scaled scores, ALiBi added behind it. The functions have upstream's signatures.
"""

from __future__ import annotations

import math

import torch

CALLS: list[str] = []
"""Which of them ran, to see that a program used them."""


def sequence(q, k, v, scale, causal, window, softcap, slopes, dropped=None):
    """One sequence: q (queries, heads, dim), k and v (keys, heads_k, dim) to the output and its logsumexp (heads, queries)."""
    queries, heads, dim = q.shape
    keys, heads_k = k.shape[:2]
    left, right = window
    right = 0 if causal else right
    out = torch.zeros(queries, heads, v.shape[-1], dtype=torch.float64)
    lse = torch.full((heads, queries), -math.inf, dtype=torch.float64)
    for h in range(heads):
        of_key = h // (heads // heads_k)
        for i in range(queries):
            at = i + keys - queries
            scores = {}
            for j in range(keys):
                if (left >= 0 and j < at - left) or (right >= 0 and j > at + right):
                    continue
                score = float(q[i, h].double() @ k[j, of_key].double()) * (dim**-0.5 if scale is None else scale)
                if softcap > 0:
                    score = softcap * math.tanh(score / softcap)
                if slopes is not None:
                    score -= float(slopes[h]) * abs(at - j)
                scores[j] = score
            if not scores:
                continue
            total = math.fsum(math.exp(score) for score in scores.values())
            lse[h, i] = math.log(total)
            for j, score in scores.items():
                out[i, h] += math.exp(score) / total * v[j, of_key].double()
    return out, lse


def _of(slopes, batch):
    return None if slopes is None else (slopes if slopes.dim() == 1 else slopes[batch])


def flash_attn_func(
    q,
    k,
    v,
    dropout_p=0.0,
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
    softcap=0.0,
    alibi_slopes=None,
    deterministic=False,
    return_attn_probs=False,
):
    CALLS.append("flash_attn_func")
    assert dropout_p == 0.0
    found = [
        sequence(q[b], k[b], v[b], softmax_scale, causal, window_size, softcap, _of(alibi_slopes, b))
        for b in range(q.shape[0])
    ]
    out, lse = (torch.stack(part) for part in zip(*found, strict=True))
    return (out, lse, None) if return_attn_probs else out


def flash_attn_qkvpacked_func(qkv, *rest, **options):
    return flash_attn_func(*qkv.unbind(2), *rest, **options)


def flash_attn_kvpacked_func(q, kv, *rest, **options):
    return flash_attn_func(q, *kv.unbind(2), *rest, **options)


def flash_attn_varlen_func(
    q,
    k,
    v,
    cu_seqlens_q,
    cu_seqlens_k,
    max_seqlen_q,
    max_seqlen_k,
    dropout_p=0.0,
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
    softcap=0.0,
    alibi_slopes=None,
    deterministic=False,
    return_attn_probs=False,
    block_table=None,
):
    CALLS.append("flash_attn_varlen_func")
    assert dropout_p == 0.0
    bounds_q, bounds_k = cu_seqlens_q.tolist(), cu_seqlens_k.tolist()
    outs, logs = [], []
    for b in range(len(bounds_q) - 1):
        rows, columns = slice(*bounds_q[b : b + 2]), slice(*bounds_k[b : b + 2])
        out, lse = sequence(
            q[rows], k[columns], v[columns], softmax_scale, causal, window_size, softcap, _of(alibi_slopes, b)
        )
        outs.append(out)
        logs.append(lse)
    return (torch.cat(outs), torch.cat(logs, 1), None) if return_attn_probs else torch.cat(outs)


def flash_attn_varlen_qkvpacked_func(qkv, cu_seqlens, max_seqlen, *rest, **options):
    return flash_attn_varlen_func(*qkv.unbind(1), cu_seqlens, cu_seqlens, max_seqlen, max_seqlen, *rest, **options)


def flash_attn_varlen_kvpacked_func(q, kv, *rest, **options):
    return flash_attn_varlen_func(q, *kv.unbind(1), *rest, **options)


def flash_attn_with_kvcache(
    q,
    k_cache,
    v_cache,
    k=None,
    v=None,
    rotary_cos=None,
    rotary_sin=None,
    cache_seqlens=None,
    cache_batch_idx=None,
    cache_leftpad=None,
    block_table=None,
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
    softcap=0.0,
    rotary_interleaved=True,
    alibi_slopes=None,
    num_splits=0,
    return_softmax_lse=False,
):
    CALLS.append("flash_attn_with_kvcache")
    assert rotary_cos is None
    found = []
    for b in range(q.shape[0]):

        def slot(token, b=b):
            """(page or row of the cache, place in it) of a token of sequence b."""
            if block_table is not None:
                return int(block_table[b, token // k_cache.shape[1]]), token % k_cache.shape[1]
            return b if cache_batch_idx is None else int(cache_batch_idx[b]), token

        used = k_cache.shape[1] if cache_seqlens is None else cache_seqlens
        used = int(used if isinstance(used, int) else used[b])
        for new in range(0 if k is None else k.shape[1]):
            k_cache[slot(used + new)], v_cache[slot(used + new)] = k[b, new], v[b, new]
        used += 0 if k is None else k.shape[1]
        first = 0 if cache_leftpad is None else int(cache_leftpad[b])
        keys = torch.stack([k_cache[slot(token)] for token in range(first, used)])
        values = torch.stack([v_cache[slot(token)] for token in range(first, used)])
        found.append(sequence(q[b], keys, values, softmax_scale, causal, window_size, softcap, _of(alibi_slopes, b)))
    out, lse = (torch.stack(part) for part in zip(*found, strict=True))
    return (out, lse) if return_softmax_lse else out


def unpad_input(hidden_states, attention_mask, unused_mask=None):
    """Of flash_attn.bert_padding: the rows that the mask has, one after the other."""
    kept = [
        (b, s) for b in range(attention_mask.shape[0]) for s in range(attention_mask.shape[1]) if attention_mask[b, s]
    ]
    lengths = [int(row.sum()) for row in attention_mask]
    return (
        torch.stack([hidden_states[place] for place in kept]),
        torch.tensor([b * attention_mask.shape[1] + s for b, s in kept]),
        torch.tensor([sum(lengths[:n]) for n in range(len(lengths) + 1)], dtype=torch.int32),
        max(lengths),
        torch.tensor(lengths, dtype=torch.int32),
    )


def pad_input(hidden_states, indices, batch, seqlen):
    """Back to (batch, seqlen, …), zero where nothing was."""
    out = torch.zeros(batch, seqlen, *hidden_states.shape[1:])
    for row, at in zip(hidden_states, indices.tolist(), strict=True):
        out[at // seqlen, at % seqlen] = row
    return out


def index_first_axis(rows, indices):
    return torch.stack([rows[at] for at in indices.tolist()])
