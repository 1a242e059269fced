"""flex_attention that stays fused inside an outer torch.compile, and takes float8 and mixed inputs.

It does what the recipes flex-keep-compiled and flex-float8-inputs fix in torch, as a function that patches nothing.
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
"""The methods with which float8 libraries convert back to ordinary numbers; the first that a class has is used."""


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
        query: (B, Hq, L, E), of any floating dtype. Float8 tensor subclasses (torchao's, and any class with its own
            `to_original_precision` or `dequantize`) are dequantised. Raw float8 tensors are cast without a scale:
            multiply them with their scale yourself, or pass a `scale` that includes it.
        key: (B, Hkv, S, E), likewise; its dtype may differ from the query's.
        value: (B, Hkv, S, Ev), likewise.
        score_mod: As in torch, like the next five.
        block_mask: For L queries and S keys.
        scale: None for 1 / sqrt(E).
        enable_gqa: Lets Hq be a multiple of Hkv.
        return_lse: Returns (output, logsumexp); not on CPU.
        kernel_options: For the Triton kernel.
        compute_dtype: The dtype that all three are cast to: float16, bfloat16, float32 or float64. By default the first
            of these among the dtypes of query, key and value, else bfloat16. A float8 subclass has its original dtype.

    Returns:
        The output, a plain tensor (B, Hq, L, Ev) of the query's dtype; for a raw float8 query, of the compute dtype.
        With `return_lse`, (output, logsumexp), where the logsumexp is (B, Hq, L) in float32.

    Gradients go through the casts to each input that requires one; a dequantisation that torch cannot differentiate
    counts as the identity. Inside torch.no_grad() nothing is kept for a backward, even if an input requires a gradient.

    Raises:
        TypeError: the dtype of an input is not floating, or `compute_dtype` is not one of the four above.
        NotImplementedError: on CPU, an input requires a gradient (and gradients are enabled), or `return_lse`: Inductor's
            CPU kernel has neither. Call torch's flex_attention uncompiled there.
        torch._dynamo.exc.FailOnRecompileLimitHit: too many kinds of inputs (torch._dynamo.config.recompile_limit); plain
            torch would continue with the dense path, without a warning.
        RuntimeError: torch raises this or another type for shapes, devices and masks that do not fit, and for a
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
            raise TypeError(f"isolated: the {name} has dtype {one.dtype}; attention needs a floating dtype")
    if compute_dtype is None:
        compute_dtype = next((one.dtype for one in inputs if one.dtype in ordinary), torch.bfloat16)
    elif compute_dtype not in ordinary:
        choice = ", ".join(map(str, ordinary))
        raise TypeError(f"isolated: compute_dtype is {compute_dtype}; choose one of {choice}")
    if inputs[0].device.type == "cpu":
        if return_lse:
            raise NotImplementedError(
                "isolated: return_lse=True needs a GPU, because the CPU kernel of flex_attention has no logsumexp; "
                "call torch's flex_attention uncompiled"
            )
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
    """The ordinary tensor of a float8 tensor subclass; any other tensor unchanged."""
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
    """(the compiled flex_attention, torch's AuxRequest or None before torch 2.9)."""
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
    """Makes Dynamo, which has just been imported, break its graph at `isolated`, which it would otherwise trace and inline."""
    global _run
    import torch

    _watcher.remove()
    torch._dynamo.decorators.skip(isolated)
    _run = torch.compiler.disable(_attend)


def _failed(name: str, error: Exception) -> None:
    logging.getLogger("compile_doctor").warning(
        "torch.compile will inline isolated, which may then run dense: %s: %s", type(error).__name__, error
    )


_watcher = ImportWatcher(_failed)
_watcher.after("torch._dynamo", _keep_out)
if _run is _attend:
    _watcher.install()
