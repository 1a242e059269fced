"""`env --shape`: parses shapes, and shows torch's answers about them as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

USUAL = "1,8,1024,64"
"""The shape that `env` without `--shape` asks about."""
_SHAPE = re.compile(r"(\d+),(\d+),(\d+),(\d+)(?:/(\d+)(?:,(\d+)(?:,(\d+))?)?)?")


def parse_shape(text: str) -> dict[str, int]:
    """Parses `B,H,S,D` or `B,H,S,D/KVH,KVS,DV`; what is missing after the slash is the same as before it.

    Keys: batch, heads, tokens, dim, kv_heads, kv_tokens, value_dim. Raises ValueError with the reason.
    """
    match = _SHAPE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{text!r} is not B,H,S,D or B,H,S,D/KVH,KVS (batch, heads, tokens, size of a head)")
    batch, heads, tokens, dim, kv_heads, kv_tokens, value_dim = (int(part) if part else 0 for part in match.groups())
    if not (batch and heads and dim):
        raise ValueError(f"{text!r}: batch, heads and the size of a head have to be at least 1")
    found = {"batch": batch, "heads": heads, "tokens": tokens, "dim": dim}
    found |= {"kv_heads": kv_heads or heads, "kv_tokens": kv_tokens or tokens, "value_dim": value_dim or dim}
    if heads % found["kv_heads"]:
        raise ValueError(f"{text!r}: {heads} query heads are not a multiple of {kv_heads} key heads")
    return found


def as_lines(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """A paragraph for each shape and dtype: the backend that torch picks, other possible ones, and why not the rest."""
    lines = []
    for entry in entries:
        lines += ["", f"SDPA for {_head(entry)}"]
        if entry.get("error"):
            lines.append(f"  torch gave no answer: {entry['error']}")
            continue
        for name, backend in entry["backends"].items():
            state = "picked" if name == entry["choice"] else "possible" if backend["available"] else "no"
            lines.append(f"  {name:<10} {state}" + "".join(f": {reason}" for reason in backend["reasons"][:1]))
            lines += [f"  {'':<10}     {reason}" for reason in backend["reasons"][1:]]
        shape = entry["shape"]
        if entry["options"].get("is_causal") and shape["tokens"] < shape["kv_tokens"]:
            lines += [
                "  Caution: is_causal is aligned top left. Query 0 attends only to key 0, and no query attends to keys "
                f"{shape['tokens']:,} to {shape['kv_tokens'] - 1:,}.",
                "  For a cache, use a mask that is aligned bottom right: replace --causal with --mask.",
            ]
    return lines


def short(entry: Mapping[str, Any]) -> str:
    """One line, for plain `env`."""
    if entry.get("error"):
        return f"no answer: {entry['error']}"
    there = [name for name, backend in entry["backends"].items() if backend["available"]]
    return f"{', '.join(there)} ({entry['device']}, {entry['dtype']}; --shape B,H,S,D shows those for your sizes)"


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
