"""Asks torch which backend scaled_dot_product_attention uses for given inputs, and why not the fused ones."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from compile_doctor.probe import devices

FUSED = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
_NO_REASON = ("used because:", "has been runtime disabled.")
"""Headings; and what torch says of the backends that are off only because each is asked about alone."""
_NAMES = {int(backend.value): name for name, backend in FUSED.items()} | {int(SDPBackend.MATH.value): "math"}


def choose(described: Mapping[str, Any]) -> dict[str, Any]:
    """{"choice": backend, "refused": {backend: torch's reasons}} for inputs as `graphs` describes them.

    Nothing is computed: torch's own selector (`torch._fused_sdp_choice`) gets empty tensors of the same shape, strides
    and dtype, once per fused backend, because it gives its reasons only if no other backend is allowed.
    Raises what torch raises for inputs that it does not accept at all.
    """
    inputs, options = described["inputs"], dict(described.get("options") or {})
    tensors = [_like(inputs[name]) for name in ("query", "key", "value")]
    mask = options.pop("attn_mask", None)
    if mask:
        options["attn_mask"] = _like(mask)
    choice = _NAMES.get(int(torch._fused_sdp_choice(*tensors, **options)), "unknown")
    refused = {}
    if choice == "math":
        names = devices.of(inputs["query"]["device"]).fused_sdpa or ("flash",)
        refused = {name: _reasons(FUSED[name], tensors, options) for name in names}
        if not any(refused.values()):
            refused = {name: _what_if(name, tensors, options) for name in names}
    return {"choice": choice, "refused": refused}


def table(described: Mapping[str, Any]) -> dict[str, Any]:
    """{"choice": backend, "backends": {name: {"available": bool, "reasons": [torch's]}}} for inputs as `choose` takes them.

    Each backend is tried alone. Raises what torch raises for inputs that it does not accept at all.
    """
    inputs, options = described["inputs"], dict(described.get("options") or {})
    tensors = [_like(inputs[name]) for name in ("query", "key", "value")]
    if options.get("attn_mask"):
        options["attn_mask"] = _like(options["attn_mask"])
    choice = _NAMES.get(int(torch._fused_sdp_choice(*tensors, **options)), "unknown")
    kind = tensors[0].device.type
    found = {}
    for name, backend in {**FUSED, "math": SDPBackend.MATH}.items():
        if name in ("efficient", "cudnn") and name not in devices.of(kind).fused_sdpa:
            found[name] = {"available": False, "reasons": [f"it needs CUDA, not {kind}"]}
            continue
        reasons, available = _reasons(backend, tensors, options), _takes(backend, tensors, options)
        found[name] = {"available": available, "reasons": [] if available else reasons or ["torch gives no reason"]}
    return {"choice": choice, "backends": found}


def _takes(backend: SDPBackend, tensors: list[torch.Tensor], options: dict[str, Any]) -> bool:
    """Whether torch chooses the backend if no other is allowed."""
    with warnings.catch_warnings(), sdpa_kernel([backend]):
        warnings.simplefilter("ignore")
        try:
            return int(torch._fused_sdp_choice(*tensors, **options)) == int(backend.value)
        except RuntimeError:  # "No available kernel"
            return False


def _reasons(backend: SDPBackend, tensors: list[torch.Tensor], options: dict[str, Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught, sdpa_kernel([backend]):
        warnings.simplefilter("always")
        with contextlib.suppress(RuntimeError):  # "No available kernel": the reasons were given as warnings
            torch._fused_sdp_choice(*tensors, **options)
    texts = [re.sub(r"(?<!\s)\s*\(Triggered internally at .*", "", str(one.message)).strip() for one in caught]
    return [text for text in dict.fromkeys(texts) if not text.endswith(_NO_REASON)]


def _what_if(name: str, tensors: list[torch.Tensor], options: dict[str, Any]) -> list[str]:
    """For a refusal without a text: the first change of the call with which torch takes the backend."""
    mask = options.get("attn_mask")
    changes = [
        ("dropout_p=0.0", tensors, {**options, "dropout_p": 0.0}),
        ("inputs with requires_grad=False", [one.detach() for one in tensors], options),
        ("contiguous inputs", [one.contiguous() for one in tensors], options),
    ]
    if mask is not None:
        changes[:0] = [
            ("attn_mask.requires_grad=False", tensors, {**options, "attn_mask": mask.detach()}),
            ("no attn_mask", tensors, {**options, "attn_mask": None}),
        ]
    found = (change for change, inputs, given in changes if _takes(FUSED[name], inputs, given))
    return [f"none is given; it is chosen with {change}." for change in found][:1]


def _like(described: Mapping[str, Any]) -> torch.Tensor:
    """An uninitialised tensor of the same layout: its pages are not touched, so it takes no memory on CPU."""
    shape, dtype = described["shape"], getattr(torch, described["dtype"])
    strides = described.get("strides") or [math.prod(shape[index + 1 :]) for index in range(len(shape))]
    made = torch.empty_strided(shape, strides, dtype=dtype, device=described["device"])
    return made.requires_grad_(bool(described.get("requires_grad")) and dtype.is_floating_point)
