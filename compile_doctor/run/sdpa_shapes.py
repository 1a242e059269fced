"""`env --shape`: shapes as they are typed, and what torch answered about them, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

USUAL = "1,8,1024,64"
"""What plain `env` asks about."""
_SHAPE = re.compile(r"(\d+),(\d+),(\d+),(\d+)(?:/(\d+)(?:,(\d+)(?:,(\d+))?)?)?")


def parse_shape(text: str) -> dict[str, int]:
    """`B,H,S,D` or `B,H,S,D/KVH,KVS,DV`: what stands behind the slash is as before it unless given.

    Keys: batch, heads, tokens, dim, kv_heads, kv_tokens, value_dim. Raises ValueError with what is wrong.
    """
    match = _SHAPE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{text!r} is not B,H,S,D or B,H,S,D/KVH,KVS: batch, heads, tokens, size of a head")
    batch, heads, tokens, dim, kv_heads, kv_tokens, value_dim = (int(part) if part else 0 for part in match.groups())
    if not (batch and heads and dim):
        raise ValueError(f"{text!r}: batch, heads and the size of a head are at least 1")
    found = {"batch": batch, "heads": heads, "tokens": tokens, "dim": dim}
    found |= {"kv_heads": kv_heads or heads, "kv_tokens": kv_tokens or tokens, "value_dim": value_dim or dim}
    if heads % found["kv_heads"]:
        raise ValueError(f"{text!r}: {heads} heads cannot share {kv_heads} heads of keys, which has to divide them")
    return found


def as_lines(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """A paragraph for each shape and dtype: which backend torch picks, which others it could, and why not the rest."""
    lines = []
    for entry in entries:
        lines += ["", f"SDPA for {_head(entry)}"]
        if entry.get("error"):
            lines.append(f"  torch could not be asked: {entry['error']}")
            continue
        for name, backend in entry["backends"].items():
            said = "picked" if name == entry["choice"] else "possible" if backend["available"] else "no"
            lines.append(f"  {name:<10} {said}" + "".join(f": {reason}" for reason in backend["reasons"][:1]))
            lines += [f"  {'':<10}     {reason}" for reason in backend["reasons"][1:]]
        shape = entry["shape"]
        if entry["options"].get("is_causal") and shape["tokens"] < shape["kv_tokens"]:
            lines += [
                f"  Mind: is_causal is aligned top left. Query 0 sees key 0 alone, and keys {shape['tokens']:,} to "
                f"{shape['kv_tokens'] - 1:,} nobody.",
                "  Over a cache it takes a mask that is aligned bottom right: ask with --mask.",
            ]
    return lines


def short(entry: Mapping[str, Any]) -> str:
    """One line, for plain `env`."""
    if entry.get("error"):
        return f"could not be asked: {entry['error']}"
    there = [name for name, backend in entry["backends"].items() if backend["available"]]
    return f"{', '.join(there)} ({entry['device']}, {entry['dtype']}; --shape B,H,S,D asks for your sizes)"


def _head(entry: Mapping[str, Any]) -> str:
    shape, options = entry["shape"], entry["options"]
    q = tuple(shape[name] for name in ("batch", "heads", "tokens", "dim"))
    k = (shape["batch"], shape["kv_heads"], shape["kv_tokens"], shape["dim"])
    parts = [f"q {q}"] + ([f"k {k}"] if k != q else [])
    parts += [f"v {(*k[:3], shape['value_dim'])}"] if shape["value_dim"] != shape["dim"] else []
    parts += [entry["dtype"], entry["device"]]
    parts += [str(name) for name in ("is_causal", "attn_mask", "enable_gqa") if options.get(name)]
    parts += [f"dropout_p={options['dropout_p']}"] if options.get("dropout_p") else []
    parts += ["with gradients"] if entry["grad"] else []
    return " · ".join(parts)
