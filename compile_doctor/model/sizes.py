"""Sizes in bytes: formatting, parsing, and the memory that dense attention needs."""

from __future__ import annotations

import re

PER_SCORE, PER_PAIR = 14, 28
"""Bytes at the dense path's two peaks: 3.3 float32 score matrices; or, while the mask is materialised, 3.2 tables of
64-bit indices, one for all heads. Measured: 449 and 432 MB for two heads at 4,096 tokens (CPU, torch 2.13)."""


def dense_need(scores: float, pairs: float) -> int:
    """Bytes that flex's dense path needs for so many scores (all heads) and masked pairs of tokens (0: no mask)."""
    return int(max(scores * PER_SCORE, pairs * PER_PAIR))


def are_large(scores: int, inputs: int) -> bool:
    """Whether a table of scores is much larger than q, k and v together (elements); else a fused kernel saves little."""
    return scores > 4 * inputs


def item_bytes(dtype: str) -> int:
    """Bytes of one element by torch's name of the dtype: `bfloat16` 2, `float8_e4m3fn` 1; 1 for a name without bits (`bool`)."""
    bits = re.search(r"\d+", dtype)
    return max(1, int(bits[0]) // 8) if bits else 1


def human(size: float) -> str:
    """`26.5 MB`, `6.7 GB`: powers of 1,000."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError


def parse_size(text: str) -> int:
    """`8GB`, `512M` or plain bytes, in powers of 1,024. Raises ValueError for anything else."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([kmgt]?)i?b?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * 1024 ** ["", "k", "m", "g", "t"].index(match[2].lower())) if match else 0
    if not 0 < size < 2**60:
        raise ValueError(f"{text!r} is not a valid size. Give one such as 8GB.")
    return size
