"""CD504: the flash_attn package is used, but torch can do the same: what to write instead of each call."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding
from compile_doctor.source.flash_attn.calls import FlashCall, FlashImport, FlashUse
from compile_doctor.source.flash_attn.replace import Replacement, replacement
from compile_doctor.source.flash_attn.signatures import parameters

_PLAIN = """\
flash_attn_func(q, k, v, softmax_scale=s, causal=c) is, with q of (B, S, H, D) and as many keys as queries:
    F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                   scale=s, is_causal=c, enable_gqa=True).transpose(1, 2)"""
_VARLEN = """\
flash_attn_varlen_func(q, k, v, cu_seqlens_q=cu, cu_seqlens_k=cu, causal=True) is, with q of (tokens, heads, dim):
    document = torch.searchsorted(cu[1:].contiguous(), torch.arange(q.shape[0], device=cu.device), right=True)
    mask = create_block_mask(lambda b, h, i, j: (document[i] == document[j]) & (i >= j), None, None, len(q), len(q))
    flex_attention(*(t.transpose(0, 1)[None] for t in (q, k, v)), block_mask=mask)[0].transpose(0, 1)
    # without & (i >= j) if it is not causal; enable_gqa=True if k has fewer heads"""
_BY = {
    "SDPA": "scaled_dot_product_attention computes the same, from (batch, heads, tokens, dim) and not "
    "(batch, tokens, heads, dim). It uses a flash kernel if the device has one.",
    "flex_attention": "flex_attention computes the same, from (batch, heads, tokens, dim). It is fused only if it is "
    "compiled.",
    "varlen_attn": "This version of torch has the variable-length kernel.",
    "torch": "Plain torch computes the same.",
}
_ROTARY = """\
# rotary embeddings in torch, which torch.compile fuses; cos and sin are (tokens, half of what is turned):
def apply_rotary_emb(x, cos, sin, interleaved=False):
    cos, sin = cos[: x.shape[1], None], sin[: x.shape[1], None]
    turned, rest = x[..., : 2 * cos.shape[-1]], x[..., 2 * cos.shape[-1] :]
    a, b = (turned[..., ::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
    a, b = a * cos - b * sin, b * cos + a * sin
    turned = torch.stack((a, b), -1).flatten(-2) if interleaved else torch.cat((a, b), -1)
    return torch.cat((turned.to(x.dtype), rest), -1)
# not in it: inplace, seqlen_offsets (the row of cos and sin to begin with), cu_seqlens (packed rows)"""
_OTHERS = {
    "rotary": _ROTARY,
    "rms_norm": "torch.nn.RMSNorm; torch.compile fuses it with what is around it.",
    "layer_norm": "torch.nn.LayerNorm; torch.compile fuses it with what is around it.",
    "cross_entropy": "torch.nn.functional.cross_entropy; torch.compile fuses it with what is around it.",
    "fused_dense": "torch.nn.Linear and an activation; torch.compile fuses the activation.",
}
_NOTHING = "Remove the import, unless another program imports the name from this file."


@dataclass(frozen=True)
class _Site:
    """Calls of one function that have the same replacement."""

    call: FlashCall
    instead: Replacement
    lines: tuple[int, ...]


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    calls, uses = seen.static.flash_attn_calls, seen.static.flash_attn_uses
    yield from (_of_call(seen, site) for site in _sites(seen))
    handed: dict[tuple[str, str, str], list[FlashUse]] = defaultdict(list)
    for use in uses:
        if parameters(use.name) and not use.called:
            handed[use.file, use.function, use.name].append(use)
    yield from (_of_use(seen, found) for found in handed.values())
    reported = {call.name for call in calls} | {name for _, _, name in handed}
    alike: dict[tuple[str, str, str], list[FlashImport]] = defaultdict(list)
    for place in seen.static.flash_attn_imports:
        if not any(_reaches(place, name) for name in reported):
            text, fix = _about(place, uses)
            alike[place.file, text, fix].append(place)
    yield from (_of_imports(seen, places, text, fix) for (_, text, fix), places in alike.items())


def _reaches(place: FlashImport, name: str) -> bool:
    """Whether a function that is called comes from this import: of a module, or under the name in another version."""
    bound = {dotted for _, dotted in place.binds}
    return any(name == one or name.startswith(f"{one}.") or _last(one) == _last(name) for one in bound)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _sites(seen: AnalysisContext) -> list[_Site]:
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


def _of_call(seen: AnalysisContext, site: _Site) -> Finding:
    call, instead = site.call, site.instead
    texts = [_BY.get(instead.by, "")]
    if not instead.code:
        texts = [f"Its arguments cannot be read from the source: {', '.join(instead.left_out) or 'some are missing'}."]
    elif instead.left_out:
        texts.append(f"The lines below leave this out, which may change the result: {', '.join(instead.left_out)}.")
    if call.ambiguous:
        differ = f"differ{'s' * (len(call.ambiguous) == 1)}"
        texts.append(
            f"Its positional arguments are read as those of {call.name}; {', '.join(call.ambiguous)} {differ}."
        )
    if call.partial:
        texts.append("Arguments of the later call are not known here.")
    return CHECK.finding(
        f"{call.api}: {instead.by or 'torch'} can do it" if instead.code else f"{call.api} is called",
        " ".join([*texts, *instead.notes]),
        location=seen.location(call.file, call.line, _last(call.function)),
        owner=seen.owner(call.file),
        count=len(site.lines),
        cause=f"flash_attn:{call.api}",
        fix=instead.code or _instead_of(call.api),
        evidence=("a call in the source", *(f"the same at line {line}" for line in site.lines[1:])),
    )


def _instead_of(api: str) -> str:
    return _VARLEN if "varlen" in api else _PLAIN


def _of_use(seen: AnalysisContext, uses: list[FlashUse]) -> Finding:
    first, api = uses[0], _last(uses[0].name)
    return CHECK.finding(
        f"{api} is used without a call",
        f"{api} is used, but not in a call. compile-doctor does not follow it, so the arguments of its calls are unknown.",
        location=seen.location(first.file, first.line, _last(first.function)),
        owner=seen.owner(first.file),
        count=len(uses),
        cause=f"flash_attn:{api}:used",
        fix=_instead_of(api),
        evidence=("a name in the source", *(f"the same at line {use.line}" for use in uses[1:])),
    )


def _about(place: FlashImport, uses: tuple[FlashUse, ...]) -> tuple[str, str]:
    """(message, fix) for an import of which no attention function is called."""
    names = [dotted for _, dotted in place.binds]
    guarded = " The import is guarded: the program runs without the package." if place.guarded else ""
    lines = [use for use in uses if _reaches(place, use.name)]
    if lines:
        where = ", ".join(
            dict.fromkeys(
                f"line {use.line}" if use.file == place.file else f"{PurePath(use.file).name}:{use.line}"
                for use in lines[:5]
            )
        )
        fix = next((text for part, text in _OTHERS.items() if any(part in name for name in names)), "")
        return f"Names that it imports are used at {where}.{guarded}", fix
    if any(name.endswith(".*") for name in names):
        return f"The names that its * imports are not known here.{guarded}", ""
    return f"Nothing in the target's own files calls it.{guarded}", _NOTHING


def _of_imports(seen: AnalysisContext, places: list[FlashImport], text: str, fix: str) -> Finding:
    """One finding for the imports of a file that have the same message and fix."""
    first, names = places[0], ", ".join(place.name for place in places)
    return CHECK.finding(
        f"flash_attn is imported: {names}",
        f"The package is built for one version of CUDA and one of torch. {text}",
        location=seen.location(first.file, first.line, _last(first.function)),
        owner=seen.owner(first.file),
        count=len(places),
        cause=f"flash_attn:{names}",
        fix=fix,
        evidence=("an import in the source", *(f"the same at line {place.line}" for place in places[1:])),
        late=True,
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
    category="kernels",
    summary="flash_attn is imported or called, but SDPA could do the same, or flex_attention for windows, soft caps and varlen.",
    explanation="""\
The `flash_attn` package has to be compiled, for hours, for one version of CUDA and one of torch. torch can do the same:
`scaled_dot_product_attention` has the flash kernel, flex_attention has windows, soft caps, ALiBi and packed documents.
The finding about a call shows the replacement of that call, with its own arguments. Note these differences:

- Layout: flash_attn takes (batch, tokens, heads, dim), torch (batch, heads, tokens, dim).
- `causal=True` with fewer queries than keys (decoding with a cache): flash_attn, from 2.1 on, aligns the mask bottom
  right, SDPA's `is_causal=True` top left. Then SDPA needs the mask. `torch.nn.attention.bias.causal_lower_right` is one
  and keeps the flash kernel, but torch.compile cannot trace it (torch 2.8 to 2.15), so the replacement creates a tensor.
- `window_size`, `softcap`, `alibi_slopes`: flex_attention, compiled. It has no dropout; with dropout, SDPA with a mask.
- `flash_attn_varlen_func`: flex_attention with a document mask, or on CUDA `torch.nn.attention.varlen.varlen_attn`
  (from torch 2.10; with a scale and a window from 2.11, grouped heads 2.12).
- `flash_attn_with_kvcache` writes the new keys into the cache in place, and so does the replacement.

The findings come from the source of the target's own files. They do not depend on whether the line runs, and are the
same if the package is missing and the target cannot be imported (CD001). Each call has one finding; calls with the same
replacement in one function share one. A function that is stored in a dict or passed to another function is a finding
too, because compile-doctor does not follow it there. An import has a separate finding if nothing in the target's files
calls an attention function that it imports, even in a `try`; these findings come after those of the calls.
""",
    detect=detect,
    fires=_FIRES,
    silent=_SILENT,
    from_source=True,
)
