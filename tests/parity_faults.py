"""Attention functions with one mistake each, as people make them, and right ones that differ in how they get there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

CACHES = ("static-cache-decode", "chunk-decode", "chunk-decode-odd", "window-decode")
DECODING = ("causal-decode", *CACHES)
SQUARE_CAUSAL = ("causal", "causal-odd", "narrow-heads", "soft-cap", "alibi", "custom-scale")
UNMASKED = ("bidirectional", "bidirectional-odd")
MASKED = (*SQUARE_CAUSAL, *DECODING, "sliding-window", "local-window", "documents", "padding", "left-padding")


def positions(q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, ...]:
    b = torch.arange(q.shape[0])[:, None, None, None]
    h = torch.arange(q.shape[1])[None, :, None, None]
    return b, h, torch.arange(q.shape[2])[None, None, :, None], torch.arange(k.shape[2])[None, None, None, :]


def attend(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask_mod: Any = None,
    score_mod: Any = None,
    scale: float | None = None,
    *,
    heads: Callable[[torch.Tensor, int], torch.Tensor] = lambda x, group: x.repeat_interleave(group, 1),
    cached: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
    masked: Callable[..., torch.Tensor] = lambda s, allowed: s.masked_fill(~allowed, float("-inf")),
    weights: Callable[[torch.Tensor], torch.Tensor] = lambda s: torch.nan_to_num(s.softmax(-1)),
    score_first: bool = False,
    mask_first: bool = False,
) -> torch.Tensor:
    """Right as it stands; each keyword is a place for a mistake."""
    group = q.shape[1] // k.shape[1]
    at = positions(q, k)
    k, v = heads(cached(k), group), heads(cached(v), group)
    scale = q.shape[3] ** -0.5 if scale is None else scale
    s = q @ k.mT
    s = s if score_first else s * scale
    if mask_first and mask_mod is not None:
        s = masked(s, mask_mod(*at))
    if score_mod is not None:
        s = score_mod(s, *at)
    s = s * scale if score_first else s
    if not mask_first and mask_mod is not None:
        s = masked(s, mask_mod(*at))
    return weights(s).to(v.dtype) @ v


def moved(move: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    """`move(mask_mod, b, h, i, j)` in place of `mask_mod(b, h, i, j)`."""

    def attention(q: Any, k: Any, v: Any, *, mask_mod: Any = None, score_mod: Any = None, scale: Any = None) -> Any:
        changed = None if mask_mod is None else lambda b, h, i, j: move(mask_mod, b, h, i, j)
        return attend(q, k, v, changed, score_mod, scale)

    return attention


def scored(move: Callable[..., Any]) -> Callable[..., torch.Tensor]:
    def attention(q: Any, k: Any, v: Any, *, mask_mod: Any = None, score_mod: Any = None, scale: Any = None) -> Any:
        changed = None if score_mod is None else lambda s, b, h, i, j: move(score_mod, s, b, h, i, j)
        return attend(q, k, v, mask_mod, changed, scale)

    return attention


def changed(**how: Any) -> Callable[..., torch.Tensor]:
    def attention(q: Any, k: Any, v: Any, *, mask_mod: Any = None, score_mod: Any = None, scale: Any = None) -> Any:
        return attend(q, k, v, mask_mod, score_mod, scale, **how)

    return attention


def scale_forgotten(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(q, k, v, mask_mod, score_mod, 1.0)


def scale_ignored(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(q, k, v, mask_mod, score_mod)


def in_bfloat16(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(*(x.bfloat16() for x in (q, k, v)), mask_mod, score_mod, scale).to(q.dtype)


def top_left(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    """`is_causal=True` wherever there is a mask: torch aligns it at the top left, also behind a cache."""
    causal = None if mask_mod is None else lambda b, h, i, j: i >= j
    return attend(q, k, v, causal, score_mod, scale)


def flash_layout(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(q, k, v, mask_mod, score_mod, scale).transpose(1, 2)


def float32_output(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(q, k, v, mask_mod, score_mod, scale).float()


def overwritten(x: torch.Tensor) -> torch.Tensor:
    """The cache with a row written twice, one position too early."""
    x = x.clone()
    x[:, :, 20] = x[:, :, 21]
    return x


def unnormalised(s: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(s.exp() / torch.nan_to_num(s, neginf=0.0).exp().sum(-1, keepdim=True))


def blocks(drop_rest: bool = False, rescale: bool = True, block: int = 128) -> Callable[..., torch.Tensor]:
    """Online softmax over blocks of keys, as a fused kernel has it (arXiv 2205.14135)."""

    def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
        group, dtype = q.shape[1] // k.shape[1], q.dtype
        b, h, i, j = positions(q, k)
        q, k, v = q.float(), k.float().repeat_interleave(group, 1), v.float().repeat_interleave(group, 1)
        scale = q.shape[3] ** -0.5 if scale is None else scale
        high = torch.full((*q.shape[:3], 1), -1e30)
        total, out = torch.zeros_like(high), torch.zeros_like(q)
        end = k.shape[2] // block * block if drop_rest and k.shape[2] > block else k.shape[2]
        for start in range(0, end, block):
            part = slice(start, min(start + block, end))
            s, at = q @ k[:, :, part].mT * scale, (b, h, i, j[..., part])
            s = s if score_mod is None else score_mod(s, *at)
            s = s if mask_mod is None else s.masked_fill(~mask_mod(*at), float("-inf"))
            new = torch.maximum(high, s.amax(-1, keepdim=True))
            p, keep = (s - new).exp(), (high - new).exp() if rescale else torch.ones_like(high)
            total, out, high = total * keep + p.sum(-1, keepdim=True), out * keep + p @ v[:, :, part], new
        return torch.where(total > 0, out / total.clamp(min=1e-30), torch.zeros_like(out)).to(dtype)

    return attention


def constant_weights(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
    return attend(q, k, v, mask_mod, score_mod, scale, weights=lambda s: torch.nan_to_num(s.softmax(-1)).detach())


@dataclass(frozen=True)
class Fault:
    """`fails`: the cases in which it has to FAIL (gqa, forward, float32); in all others it must not. None: in all."""

    name: str
    attention: Callable[..., Any]
    fails: Iterable[str] | None
    wrong_keys: bool = False
    """Whether the reason has to say which query reads which key."""
    only: tuple[str, ...] = ()
    """The cases that the function is made for; none: all."""


FAULTS = (
    Fault(
        "queries one position too far",
        moved(lambda mod, b, h, i, j: mod(b, h, (i + 1).clamp(max=255), j)),
        {*SQUARE_CAUSAL, *CACHES}
        | {"sliding-window", "local-window", "documents", "left-padding", "prefix-lm", "image-scopes"},
        True,
    ),
    Fault(
        "mask transposed",
        moved(lambda mod, b, h, i, j: mod(b, h, j, i) if i.shape[2] == j.shape[3] else mod(b, h, i, j)),
        {*SQUARE_CAUSAL, "sliding-window", "documents", "padding", "left-padding", "prefix-lm", "image-scopes"},
        True,
    ),
    Fault(
        "window one too wide",
        moved(lambda mod, b, h, i, j: mod(b, h, i, j) | mod(b, h, i, (j + 1).clamp(max=j.max()))),
        {"sliding-window", "local-window", "window-decode", "documents", "left-padding"},
        True,
    ),
    Fault("interleaved heads", changed(heads=lambda x, group: x.repeat(1, group, 1, 1)), None),
    Fault("scale forgotten", scale_forgotten, None),
    Fault("custom scale ignored", scale_ignored, {"custom-scale"}),
    Fault("score_mod before the scale", changed(score_first=True), {"soft-cap", "alibi"}),
    Fault("score_mod ignored", scored(lambda mod, s, b, h, i, j: s), {"soft-cap", "alibi"}),
    Fault("soft-cap after the mask", changed(mask_first=True), {"soft-cap"}, True),
    Fault(
        "cache row overwritten",
        changed(cached=overwritten),
        {*UNMASKED, *MASKED, "prefix-lm", "image-scopes"} - {"window-decode"},
    ),
    Fault(
        "padding, documents and images of the first sequence for all",
        moved(lambda mod, b, h, i, j: mod(b * 0, h, i, j)),
        {"padding", "left-padding", "documents", "image-scopes"},
        True,
    ),
    Fault("dropout left on", changed(weights=lambda s: F.dropout(torch.nan_to_num(s.softmax(-1)), 0.1)), None),
    Fault("all in bfloat16", in_bfloat16, None),
    Fault(
        "is_causal behind a cache",
        top_left,
        {
            *DECODING,
            "sliding-window",
            "local-window",
            "documents",
            "padding",
            "left-padding",
            "prefix-lm",
            "image-scopes",
        },
        True,
    ),
    Fault(
        "the first token is seen by all",
        moved(lambda mod, b, h, i, j: mod(b, h, i, j) | (j == 0)),
        {"sliding-window", "local-window", "window-decode", "documents", "left-padding"},
        True,
    ),
    Fault("slopes in the wrong order", scored(lambda mod, s, b, h, i, j: mod(s, b, 3 - h, i, j)), {"alibi"}),
    Fault("one head's slope for all", scored(lambda mod, s, b, h, i, j: mod(s, b, h * 0, i, j)), {"alibi"}),
    Fault(
        "one key of the future",
        moved(lambda mod, b, h, i, j: mod(b, h, i, j) | mod(b, h, i, (j - 1).clamp(min=0))),
        {*SQUARE_CAUSAL, *CACHES, "sliding-window", "local-window", "documents", "padding", "left-padding"}
        | {"prefix-lm", "image-scopes"},
        True,
    ),
    Fault(
        "prefix one too long",
        moved(lambda mod, b, h, i, j: (j < 46) | (i >= j)),
        {"prefix-lm"},
        True,
        only=("prefix-lm",),
    ),
    Fault(
        "only the first image sees itself",
        moved(lambda mod, b, h, i, j: (i >= j) | ((i >= 10) & (i < 74) & (j >= 10) & (j < 74))),
        {"image-scopes"},
        True,
        only=("image-scopes",),
    ),
    Fault("softmax over the queries", changed(weights=lambda s: torch.nan_to_num(s.softmax(-2))), None),
    Fault(
        "mask of -5, not -inf",
        changed(masked=lambda s, allowed: s - 5.0 * ~allowed),
        {*SQUARE_CAUSAL, *CACHES, "sliding-window", "local-window", "documents", "padding", "left-padding"}
        | {"prefix-lm", "image-scopes"},
        True,
    ),
    Fault(
        "last block of keys dropped",
        blocks(drop_rest=True),
        {*UNMASKED, *MASKED, "prefix-lm"}
        - {"bidirectional", "causal", "soft-cap", "custom-scale", "sliding-window"}
        - {"documents", "static-cache-decode", "narrow-heads"},
        True,
    ),
    Fault(
        "online softmax without rescaling",
        blocks(rescale=False),
        {*UNMASKED, *MASKED, "prefix-lm", "image-scopes"} - {"window-decode", "narrow-heads"},
    ),
    Fault("layout (B, S, H, D)", flash_layout, None),
)

RIGHT = {
    "plain": changed(),
    "blocks": blocks(),
    "a finite mask": changed(masked=lambda s, allowed: s.masked_fill(~allowed, torch.finfo(s.dtype).min)),
    "NaN where nothing is attended to": changed(weights=lambda s: s.softmax(-1)),
}
