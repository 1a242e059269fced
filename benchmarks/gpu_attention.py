"""Measures on a GPU what the checks of attention rely on: prints one JSON object a line.

    python benchmarks/gpu_attention.py [rows] [kernels] [memory] [short]

rows     gradients of SDPA's backends if rows attend to nothing, or have very low scores, by length
kernels  generated code and kernels of varlen_attn, of grouped_mm, and of flex_attention with USE_TMA
memory   peak of a compiled graph with SDPA, first and second measured call, as the memory pass measures it
short    time of flex_attention and SDPA at short lengths
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

BACKENDS = {"flash": "FLASH_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "cudnn": "CUDNN_ATTENTION", "math": "MATH"}


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def rows() -> None:
    """Finite outputs and gradients, by backend, length and kind of mask; the gradient of an empty row's output is zero."""
    for tokens in (64, 100, 128, 192, 200, 256, 320, 448, 512):
        for kind in ("empty rows", "low rows", "causal and empty rows"):
            torch.manual_seed(0)
            q, k, v = (torch.randn(2, 4, tokens, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))
            seen = torch.ones(2, 1, tokens, tokens, dtype=torch.bool, device="cuda")
            if "causal" in kind:
                seen = seen.tril()
            empty = tokens // 3
            if "empty" in kind:
                seen[1, :, :empty] = False
                seen[1, :, :, :empty] = False
            mask: torch.Tensor = seen
            if kind == "low rows":
                mask = torch.zeros(2, 1, tokens, tokens, device="cuda", dtype=torch.bfloat16)
                mask[1, :, :empty] = -200.0
            found = {}
            for name, backend in BACKENDS.items():
                given = [one.detach().clone().requires_grad_() for one in (q, k, v)]
                try:
                    with sdpa_kernel(getattr(SDPBackend, backend)):
                        out = F.scaled_dot_product_attention(*given, attn_mask=mask)
                    gradient = torch.randn_like(out)
                    if "empty" in kind:
                        gradient[1, :, :empty] = 0
                    grads = torch.autograd.grad(out, given, gradient)
                    bad = [n for n, one in zip(("out", "q", "k", "v"), (out, *grads)) if not one.isfinite().all()]
                    found[name] = bad or "finite"
                except RuntimeError as error:
                    found[name] = str(error).splitlines()[0][:40]
            say(what="rows", tokens=tokens, kind=kind, **found)


def _seen(function: Any, *inputs: Any, **given: Any) -> dict[str, Any]:
    """Generated calls and kernels of a compiled function."""
    from torch._inductor.utils import run_and_get_code

    torch._dynamo.reset()
    try:
        with torch.no_grad():
            _, codes = run_and_get_code(torch.compile(function), *inputs, **given)
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
                torch.compile(function)(*inputs, **given)
                torch.cuda.synchronize()
        lines = [line.strip()[:150] for line in "\n".join(codes).splitlines()]
        wanted = re.compile(r"USE_TMA|torch\.ops\.|extern_kernels|_grouped_mm|triton_tem\w* = |cutedsl")
        kernels = sorted({event.name[:120] for event in profiler.events() if "CUDA" in str(event.device_type)})
        return {"code": [line for line in lines if wanted.search(line)][:8], "kernels": kernels[:8]}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}", "at": traceback.format_exc()[-300:]}


def kernels() -> None:
    """What Inductor writes for them, what runs, and how they refuse."""
    made = {"device": "cuda", "dtype": torch.bfloat16}
    q, k, v = (torch.randn(1, 4, 2048, 64, **made) for _ in range(3))

    def with_tma(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return flex_attention(q, k, v, kernel_options={"USE_TMA": True})

    say(what="flex USE_TMA", **_seen(with_tma, q, k, v))
    narrow = [one[..., ::2] for one in (q, k, v)]
    say(what="flex USE_TMA, strided", **_seen(with_tma, *narrow))
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        say(what="varlen", error="missing")
    else:
        packed = [torch.randn(2048, 4, 64, **made) for _ in range(3)]
        at = torch.tensor([0, 300, 700, 2048], dtype=torch.int32, device="cuda")
        attend = lambda q, k, v, at: varlen_attn(q, k, v, at, at, 1348, 1348)  # noqa: E731
        say(what="varlen", **_seen(attend, *packed, at))
        say(what="varlen float32", **_seen(attend, *(one.float() for one in packed), at))
        wide = [torch.randn(2048, 4, 320, **made) for _ in range(3)]
        say(what="varlen heads of 320", **_seen(attend, *wide, at))
    a, b = torch.randn(512, 64, **made), torch.randn(4, 64, 128, **made)
    ends = torch.tensor([100, 200, 400, 512], dtype=torch.int32, device="cuda")
    say(what="grouped_mm", **_seen(lambda a, b, e: torch._grouped_mm(a, b, offs=e), a, b, ends))
    say(what="grouped_mm float32", **_seen(lambda a, b, e: torch._grouped_mm(a.float(), b.float(), offs=e), a, b, ends))


def memory() -> None:
    """Peaks of calls 1 to 4, as `Accelerator.peak` counts them, with a projection (cuBLAS) before attention."""
    torch._dynamo.reset()
    layer = torch.nn.Linear(512, 1536, device="cuda", dtype=torch.bfloat16)

    def block(x: torch.Tensor) -> torch.Tensor:
        q, k, v = (one.view(1, -1, 8, 64).transpose(1, 2) for one in layer(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    x = torch.randn(1, 2048, 512, device="cuda", dtype=torch.bfloat16)
    for mode in (None, "reduce-overhead"):
        torch._dynamo.reset()
        compiled = torch.compile(block, mode=mode)
        peaks = []
        with torch.no_grad():
            for _ in range(4):
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                compiled(x)
                torch.cuda.synchronize()
                peaks.append(torch.cuda.max_memory_allocated() - before)
            if mode:
                import torch._inductor.config as config

                config.triton.cudagraphs = False
        say(what="memory", mode=mode, peaks=peaks)


def short() -> None:
    """Median milliseconds of a compiled call, bfloat16, 8 heads of 64, causal."""
    for batch, tokens in ((1, 64), (1, 128), (1, 256), (1, 512), (1, 1024), (1, 2048), (16, 128), (16, 512)):
        q, k, v = (torch.randn(batch, 8, tokens, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, tokens, tokens, device="cuda")
        flex = torch.compile(lambda q, k, v, m: flex_attention(q, k, v, block_mask=m), dynamic=False)
        sdpa = torch.compile(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, is_causal=True), dynamic=False)
        times = {}
        for name, call in (("flex", flex), ("sdpa", sdpa)):
            with torch.no_grad():
                for _ in range(5):
                    call(q, k, v, mask)
                spans = []
                for _ in range(30):
                    torch.cuda.synchronize()
                    begun = time.perf_counter()
                    call(q, k, v, mask)
                    torch.cuda.synchronize()
                    spans.append(time.perf_counter() - begun)
            times[name] = round(sorted(spans)[15] * 1000, 4)
        say(what="short", batch=batch, tokens=tokens, **times)


if __name__ == "__main__":
    for name in sys.argv[1:] or ("rows", "kernels", "memory", "short"):
        try:
            {"rows": rows, "kernels": kernels, "memory": memory, "short": short}[name]()
        except Exception:
            say(what=name, error=traceback.format_exc()[-600:])
