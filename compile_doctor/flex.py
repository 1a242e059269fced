"""flex_attention that stays fused beside an outer torch.compile, and takes float8 and mixed inputs.

A function that does what the recipes flex-keep-compiled and flex-float8-inputs fix inside torch, without patching torch.
Importing this module imports neither torch nor the compiler.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from compile_doctor.recipes.imports import ImportWatcher

if TYPE_CHECKING:
    import torch
    from torch.nn.attention.flex_attention import BlockMask

__all__ = ["isolated"]

_BACK = ("to_original_precision", "dequantize")
"""Names of the dequantisation method in float8 libraries; the first that a class has is used."""


def isolated(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    score_mod: Callable[..., torch.Tensor] | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: dict[str, Any] | None = None,
    *,
    compute_dtype: torch.dtype | None = None,
) -> Any:
    """flex_attention, compiled separately: in a compiled model it is one graph break, and keeps its fused kernel.

    It is compiled once per process (and again for other kinds of inputs, as torch does), at the first call.

    Args:
        query: (B, Hq, L, E), of any floating dtype. Float8 tensor subclasses (torchao's, and any other with its own
            `to_original_precision` or `dequantize`) are dequantised. Raw float8 tensors are cast without a scale:
            multiply them by their scale yourself, or include it in `scale`.
        key: (B, Hkv, S, E), likewise; its dtype may differ from the query's.
        value: (B, Hkv, S, Ev), likewise.
        score_mod: As in torch, like the next four.
        block_mask: For L queries and S keys.
        scale: 1 / sqrt(E) if it is None.
        enable_gqa: Allows Hq to be a multiple of Hkv.
        return_lse: Returns (output, logsumexp); not on CPU.
        kernel_options: For the Triton kernel.
        compute_dtype: The dtype to which all three are cast: float16, bfloat16, float32 or float64. By default the first
            of those among the dtypes of query, key and value, else bfloat16. A float8 subclass counts with the dtype
            that it reports.

    Returns:
        The output, a plain tensor (B, Hq, L, Ev) of the query's dtype; for a raw float8 query, of the compute dtype.
        With `return_lse` a pair of the output and the logsumexp, (B, Hq, L) in float32.

    Gradients go through the casts to each input that requires one; a dequantisation that torch cannot differentiate
    counts as the identity. Within torch.no_grad() nothing is kept for the backward pass, whatever the inputs require.

    Raises:
        TypeError: an input, or `compute_dtype`, does not have one of the floating dtypes above.
        NotImplementedError: on CPU, an input requires a gradient (and gradients are enabled), or `return_lse`: Inductor's
            CPU kernel supports neither. Call torch's flex_attention, uncompiled, instead.
        torch._dynamo.exc.FailOnRecompileLimitHit: too many kinds of inputs (torch._dynamo.config.recompile_limit);
            torch itself would silently continue with the dense path.
        RuntimeError: what torch raises, of this or another type, for shapes, devices and masks that do not fit, and for a
            `score_mod` or mask that cannot be traced in one graph.
    """
    options = {"score_mod": score_mod, "block_mask": block_mask, "scale": scale, "enable_gqa": enable_gqa}
    return _run((query, key, value), {**options, "kernel_options": kernel_options}, return_lse, compute_dtype)


def _attend(
    inputs: tuple[Any, Any, Any], options: dict[str, Any], return_lse: bool, compute_dtype: torch.dtype | None
) -> Any:
    import torch

    ordinary = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for name, one in zip(("query", "key", "value"), inputs):
        if not one.dtype.is_floating_point:
            raise TypeError(f"isolated: the dtype of the {name} is {one.dtype}; attention needs a floating dtype")
    if compute_dtype is None:
        compute_dtype = next((one.dtype for one in inputs if one.dtype in ordinary), torch.bfloat16)
    elif compute_dtype not in ordinary:
        raise TypeError(f"isolated: compute_dtype is {compute_dtype}; flex_attention supports {ordinary}")
    if inputs[0].device.type == "cpu":
        if return_lse:
            raise NotImplementedError("isolated: return_lse: the CPU kernel of flex_attention returns no logsumexp")
        if torch.is_grad_enabled() and any(one.requires_grad for one in inputs):
            raise NotImplementedError(
                "isolated: an input requires a gradient, and flex_attention has no compiled backward on CPU; "
                "wrap the call in torch.no_grad(), or call torch's flex_attention uncompiled"
            )
    query, key, value = (_ordinary(one).to(compute_dtype) for one in inputs)
    if not torch.is_grad_enabled():
        query, key, value = query.detach(), key.detach(), value.detach()
    back = inputs[0].dtype if inputs[0].dtype in ordinary else compute_dtype
    flex, request = _compiled_flex()
    if not return_lse:
        return flex(query, key, value, **options).to(back)
    if request is None:
        output, logsumexp = flex(query, key, value, return_lse=True, **options)
    else:
        output, aux = flex(query, key, value, return_aux=request(lse=True), **options)
        logsumexp = aux.lse
    return output.to(back), logsumexp


def _ordinary(tensor: Any) -> Any:
    """The dequantised values of a float8 tensor subclass; any other tensor unchanged."""
    import torch

    kind = type(tensor)
    name = next(
        (one for one in _BACK if getattr(kind, one, None) not in (None, getattr(torch.Tensor, one, None))), None
    )
    if name is None:
        return tensor
    plain = getattr(tensor, name)()
    if plain.requires_grad or not tensor.requires_grad or not torch.is_grad_enabled():
        return plain

    class Dequantise(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, original: Any) -> Any:
            return plain.detach()

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return gradient

    return Dequantise.apply(tensor)


_lock = threading.Lock()
_compiled: tuple[Any, Any] | None = None


def _compiled_flex() -> tuple[Any, Any]:
    """The compiled flex_attention, and torch's AuxRequest if it has one."""
    global _compiled
    with _lock:
        if _compiled is None:
            import torch
            from torch.nn.attention import flex_attention

            # fullgraph: at the recompile limit it raises instead of running dense.
            _compiled = (
                torch.compile(flex_attention.flex_attention, fullgraph=True),
                getattr(flex_attention, "AuxRequest", None),
            )
        return _compiled


_run: Callable[..., Any] = _attend


def _keep_out(_: str) -> None:
    """Makes Dynamo, when it is imported, break its graph at `isolated` instead of tracing and inlining it."""
    global _run
    import torch

    _watcher.remove()
    torch._dynamo.decorators.skip(isolated)
    _run = torch.compiler.disable(_attend)


def _failed(name: str, error: Exception) -> None:
    logging.getLogger("compile_doctor").warning("isolated will be inlined: %s: %s", type(error).__name__, error)


_watcher = ImportWatcher(_failed)
_watcher.after("torch._dynamo", _keep_out)
if _run is _attend:
    _watcher.install()
