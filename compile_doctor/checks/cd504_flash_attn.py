"""CD504: the flash_attn package is used where torch has the same: what to write instead, for each call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from compile_doctor.analysis import Seen
from compile_doctor.checks.base import Check
from compile_doctor.findings import Finding
from compile_doctor.flash_attn.calls import FlashCall, FlashImport
from compile_doctor.flash_attn.replace import Replacement, replacement
from compile_doctor.flash_attn.signatures import parameters

_PLAIN = """\
flash_attn_func(q, k, v, softmax_scale=s, causal=c) is, with q of (B, S, H, D) and as many keys as queries:
    F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                   scale=s, is_causal=c, enable_gqa=True).transpose(1, 2)"""
_BY = {
    "SDPA": "scaled_dot_product_attention computes the same, from (batch, heads, tokens, dim) and not "
    "(batch, tokens, heads, dim). It takes a flash kernel where the device has one.",
    "flex_attention": "flex_attention computes the same, from (batch, heads, tokens, dim). It is fused where it is "
    "compiled, and only there.",
    "varlen_attn": "This torch has the variable-length kernel itself.",
    "torch": "Plain torch computes the same.",
}
_OTHERS = {
    "rotary": "Written out in torch, rotary embeddings are fused by torch.compile: x * cos + rotate_half(x) * sin.",
    "rms_norm": "torch.nn.RMSNorm; torch.compile fuses it with what is around it.",
    "layer_norm": "torch.nn.LayerNorm; torch.compile fuses it with what is around it.",
    "cross_entropy": "torch.nn.functional.cross_entropy; torch.compile fuses it with what is around it.",
    "fused_dense": "torch.nn.Linear and an activation; torch.compile fuses the activation.",
}
_NOTHING = "The import can go, unless a program takes it from here."


@dataclass(frozen=True)
class _Site:
    """Calls of one function that have the same replacement."""

    call: FlashCall
    instead: Replacement
    lines: tuple[int, ...]


def detect(seen: Seen) -> Iterator[Finding]:
    yield from (_of_call(seen, site) for site in _sites(seen))
    called = {(one.file, one.name) for one in seen.static.flash_attn_calls}
    for place in seen.static.flash_attn_imports:
        if not any(file == place.file and _reaches(place, name) for file, name in called):
            yield _of_import(seen, place)


def _reaches(place: FlashImport, name: str) -> bool:
    """Whether a function that is called comes from this import: of a module, or under another generation's name."""
    bound = {dotted for _, dotted in place.binds}
    return any(name == one or name.startswith(f"{one}.") or _last(one) == _last(name) for one in bound)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _sites(seen: Seen) -> list[_Site]:
    torch, device = _version(seen.evidence.environment.get("torch")), str(seen.evidence.environment.get("device") or "")
    found: dict[tuple[str, str, str, str], _Site] = {}
    for call in seen.static.flash_attn_calls:
        instead = replacement(call, torch, device)
        key = call.file, call.function, call.name, instead.code or str(call.line)
        known = found.get(key, _Site(call, instead, ()))
        found[key] = replace(known, lines=(*known.lines, call.line))
    return list(found.values())


def _version(text: object) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", str(text or ""))
    return (int(found[1]), int(found[2])) if found else None


def _of_call(seen: Seen, site: _Site) -> Finding:
    call, instead = site.call, site.instead
    said = [_BY.get(instead.by, "")]
    if not instead.code:
        said = [f"Its arguments cannot be read from the source: {', '.join(instead.left_out) or 'some are missing'}."]
    elif instead.left_out:
        said.append(f"Not in the lines below, and it may change the result: {', '.join(instead.left_out)}.")
    if call.ambiguous:
        said.append(f"Its positional arguments are read as those of {call.name}; {', '.join(call.ambiguous)} differs.")
    if call.partial:
        said.append("Arguments that come with the later call are not known here.")
    return CHECK.finding(
        f"{call.api}: {instead.by or 'torch'} has it" if instead.code else f"{call.api} is called",
        " ".join([*said, *instead.notes]),
        location=seen.location(call.file, call.line, _last(call.function)),
        owner=seen.owner(call.file),
        count=len(site.lines),
        cause=f"flash_attn:{call.api}",
        fix=instead.code or _PLAIN,
        evidence=("a call in the source", *(f"the same at line {line}" for line in site.lines[1:])),
    )


def _of_import(seen: Seen, place: FlashImport) -> Finding:
    names = {dotted for _, dotted in place.binds}
    other = next((text for part, text in _OTHERS.items() if any(part in name for name in names)), "")
    attention = any(parameters(name) for name in names)
    if place.handed_on and attention:
        lines = ", ".join(str(line) for line in place.handed_on[:5])
        said, fix = f"It is handed on at line {lines}; with which arguments it is called there is not seen.", _PLAIN
    elif attention or not place.handed_on:
        said, fix = "Nothing in the target's own files calls it.", other or _NOTHING
    else:
        said, fix = "", other
    said += " The import is guarded: the program runs without the package." if place.guarded else ""
    return CHECK.finding(
        f"flash_attn is imported: {place.name}",
        f"The package is built for one CUDA and one torch. {said}".strip(),
        location=seen.location(place.file, place.line, _last(place.function)),
        owner=seen.owner(place.file),
        cause=f"flash_attn:{place.name}",
        fix=fix,
        evidence=("an import in the source",),
    )


_FIRES = """\
import torch

try:
    from flash_attn import flash_attn_func
except ImportError:
    flash_attn_func = None


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        if flash_attn_func is not None and q.is_cuda:
            return flash_attn_func(q, k, v, causal=True)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 64, 2, 16) for _ in range(3))
"""
_SILENT = """\
import torch


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 64, 2, 16) for _ in range(3))
"""

CHECK = Check(
    code="CD504",
    name="flash-attn-package",
    severity="info",
    summary="flash_attn is imported or called where SDPA, or flex_attention for windows, soft caps and varlen, would do.",
    explanation="""\
The `flash_attn` package is compiled for one CUDA and one torch, for hours. What it does is in torch:
`scaled_dot_product_attention` has the flash kernel, flex_attention has windows, soft caps, ALiBi and packed documents.
The finding of a call is that call's replacement, with its own arguments. What to mind:

- Layout: flash_attn takes (batch, tokens, heads, dim), torch (batch, heads, tokens, dim).
- `causal=True` with fewer queries than keys (decoding with a cache): flash_attn, from 2.1 on, aligns the mask bottom
  right, SDPA's `is_causal=True` top left. Then SDPA needs the mask. `torch.nn.attention.bias.causal_lower_right` is one
  and keeps the flash kernel, but torch.compile cannot trace it (torch 2.8 to 2.15): the replacement writes it out.
- `window_size`, `softcap`, `alibi_slopes`: flex_attention, compiled. It has no dropout; with dropout, SDPA with a mask.
- `flash_attn_varlen_func`: flex_attention with a document mask, or on CUDA `torch.nn.attention.varlen.varlen_attn`
  (from torch 2.10; with a scale and a window from 2.11, grouped heads 2.12).
- `flash_attn_with_kvcache` writes the new keys into the cache in place, and so does the replacement.

It is read from the source, for files that are the target's own; whether the line runs is not asked, and where the
package is missing and the target cannot be imported (CD001), the findings are the same. One finding for
each call; calls with the same replacement in one function are one. An import is a finding of its own where nothing in
the target's files calls what it brings, in a `try` too.
""",
    detect=detect,
    fires=_FIRES,
    silent=_SILENT,
    from_source=True,
)
