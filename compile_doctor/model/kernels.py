"""Finds attention kernels in the code that Inductor generates.

A kernel's name is not a proof: on CPU it contains `flex_attention` only since torch 2.10. The template's helpers are in
the body in all versions (`kernel_exp_reduce_sum_fusion_kernel`, torch/_inductor/kernel/flex/flex_cpu.py and, in 2.8,
torch/_inductor/codegen/cpp_flex_attention_template.py). The patterns for Triton and CuTe DSL were tested on code that
Inductor generated for a mocked GPU (torch 2.8 to 2.15), not on a GPU.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

_DEFINITION = re.compile(r"^[ \t]*(\w+) = async_compile\.(\w+)\(", re.MULTILINE)
_CALL = re.compile(r"^[ \t]+(\w+)(?:\.run)?\(", re.MULTILINE)
_CPP = re.compile(r"kernel_exp_reduce_sum_fusion_kernel")
_TRITON = re.compile(r"\bforward_(?:block_mn|inner)\b")
_TRITON_BACKWARD = re.compile(r"\bbwd_d(?:q|kdv)_(?:inner|block_mn)\b")
_TRITON_DECODE = re.compile(r"\bSPLIT_KV\b")
_TMA = re.compile(r"\bUSE_TMA : tl\.constexpr = (True|False)\b")
"""A template's constants, as `TritonTemplate.generate` of torch 2.8 to 2.15 writes them; torch may have changed what was asked for."""
_CUTE = re.compile(r"\b_flash_attn_fwd\(")
_SDPA = re.compile(
    r"torch\.ops\.(aten\._scaled_dot_product_(flash|efficient|cudnn|fused)_attention(?:_for_cpu|_overrideable)?\.default)[(,]"
)
"""The operator is called, or passed to `run_and_save_rng_state` and its like: checkpointed in training, up to torch 2.14."""
_VARLEN = re.compile(r"torch\.ops\.(torch_attn\._varlen_attn(?:_out)?\.default)[(,]")
"""varlen_attn's operator, which Inductor calls as it is: it has fused kernels only."""
_AGAIN = re.compile(r"higher_order\.run_with_rng_state\(|\bbwd_rng_state")
"""A checkpointed operator runs again in the backward: no kernel of a call of its own."""
_NODES = re.compile(r"Source Nodes: \[([^\[\]]*)\]")
MARKERS = (
    b"kernel_exp_reduce_sum_fusion_kernel",
    b"forward_block_mn",
    b"forward_inner",
    b"_flash_attn_fwd(",
    b"_scaled_dot_product_",
    b"torch_attn._varlen_attn",
)
"""Every module with such a kernel contains one of these: a quick test before reading megabytes of code."""
_BACKENDS = {"fused": "overrideable"}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One attention kernel of a generated module; `calls` counts its call lines."""

    api: str
    """`flex_attention`, `sdpa` or `varlen_attn`."""
    name: str
    backend: str
    """`cpp`, `triton`, `triton-decode` or `cutedsl` for flex_attention; `flash`, `efficient`, `cudnn`, `overrideable` for SDPA; `varlen`."""
    calls: int
    nodes: tuple[str, ...] = ()
    """The FX nodes that torch names in the comment above a call of an operator."""
    tma: bool | None = None
    """For flex_attention's Triton kernels, whether they load by TMA; None if the code does not say."""


def find_kernels(code: str) -> tuple[Kernel, ...]:
    """The forward attention kernels of one generated module."""
    return (*_flex(code), *_operators(code))


def _flex(code: str) -> list[Kernel]:
    found = []
    definitions = list(_DEFINITION.finditer(code))
    called: dict[str, list[int]] = defaultdict(list)
    for call in _CALL.finditer(code) if definitions else ():
        called[call[1]].append(call.start())
    for number, match in enumerate(definitions):
        end = definitions[number + 1].start() if number + 1 < len(definitions) else len(code)
        body = code[match.end() : end]
        backend = _template(match[2], body)
        if backend:
            calls = sum(at >= match.end() for at in called[match[1]])
            tma = _TMA.search(body) if backend.startswith("triton") else None
            found.append(Kernel("flex_attention", match[1], backend, calls, tma=tma[1] == "True" if tma else None))
    return found


def _template(compiler: str, body: str) -> str | None:
    # The body of the last definition extends to the module's end: the call after it contains no marker.
    if compiler.startswith("cpp") and _CPP.search(body):
        return "cpp"
    if compiler == "triton" and _TRITON.search(body) and not _TRITON_BACKWARD.search(body):
        return "triton-decode" if _TRITON_DECODE.search(body) else "triton"
    if compiler == "cutedsl" and _CUTE.search(body):
        return "cutedsl"
    return None


def _operators(code: str) -> list[Kernel]:
    """The calls of SDPA's and varlen_attn's own operators."""
    found = []
    comment = ""
    for line in code.splitlines():
        if "Source Nodes:" in line:
            comment = line
        match, varlen = _SDPA.search(line), _VARLEN.search(line)
        if (match or varlen) and "=" in line.split("(", 1)[0] and not _AGAIN.search(line):
            nodes = _NODES.search(comment)
            names = tuple(filter(None, map(str.strip, nodes[1].split(",")))) if nodes else ()
            if match:
                found.append(Kernel("sdpa", match[1], _BACKENDS.get(match[2], match[2]), 1, names))
            elif varlen:
                found.append(Kernel("varlen_attn", varlen[1], "varlen", 1, names))
    return found


_FLASH = (
    ("flash-4", re.compile(r"flash_attncute|FlashAttentionForwardSm\d")),
    ("flash-3", re.compile(r"FlashAttnFwdSm\d|flash::enable_sm90")),
    ("flash-2", re.compile(r"pytorch_flash::|flash_fwd_(?:splitkv_)?kernel")),
)
"""The generation of FlashAttention by the name of its kernel on a GPU; 2 was measured (H100), 3 and 4 are upstream's names."""
_CUDNN = ("cudnn", re.compile(r"cudnn"))
FASTEST_FIRST = (
    *("flash-4", "cudnn", "flash-3", "cutedsl", "flash-2", "flash", "triton-decode", "triton", "cpp"),
    *("efficient", "overrideable", "math", "dense"),
)
"""Implementations of one attention call. Measured on an H100, causal, 16,384 tokens: cudnn, flash-2, efficient, math, in this order;
the places of the others follow upstream's figures."""


def implementation(api: str, backend: str | None, ran: Iterable[str]) -> str | None:
    """What computes a call: `backend` of its kernel; for SDPA's flash, and for varlen_attn, by the kernel that ran on the GPU."""
    names = " ".join(ran)
    if api == "varlen_attn" and backend:
        return next((name for name, pattern in (*_FLASH, _CUDNN) if pattern.search(names)), backend)
    if api != "sdpa" or backend != "flash":
        return backend
    return next((name for name, pattern in _FLASH if pattern.search(names)), "flash")


def without_the_rest(code: str) -> str:
    """Only the lines of generated code that `find_kernels` reads, for small recordings."""
    wanted = (
        _DEFINITION,
        _CPP,
        _TRITON,
        _TRITON_BACKWARD,
        _TRITON_DECODE,
        _TMA,
        _CUTE,
        _SDPA,
        _VARLEN,
        re.compile("Source Nodes:"),
    )
    calls = {match[1] for match in _DEFINITION.finditer(code)}
    kept = []
    for line in code.splitlines():
        called = line.strip().split("(", 1)[0].removesuffix(".run")
        if called in calls or any(pattern.search(line) for pattern in wanted):
            kept.append(line)
    return "\n".join(kept) + "\n"
