"""The operator of flex_attention, its dense kernel, and other entries of attention."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import torch


def flex_operator() -> Any:
    """The higher-order operator; in `torch._higher_order_ops` the operator shadows its own module."""
    return importlib.import_module("torch._higher_order_ops.flex_attention").flex_attention


def create_block_mask() -> Any:
    """The function create_block_mask, whose code object identifies its frames."""
    return importlib.import_module("torch.nn.attention.flex_attention").create_block_mask


def varlen_codes() -> tuple[CodeType, ...]:
    """The code objects of varlen_attn and varlen_attn_out (from torch 2.10 on), if something has imported them."""
    module = sys.modules.get("torch.nn.attention.varlen")
    found = (getattr(module, name, None) for name in ("varlen_attn", "varlen_attn_out"))
    return tuple(one.__code__ for one in found if isinstance(one, FunctionType))


def replace_dense_entry(make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replaces flex_attention's eager kernel by `make(kernel)`: every dense execution goes through it."""
    operator, key = flex_operator(), torch._C.DispatchKey.CompositeExplicitAutograd
    operator.py_kernels[key] = make(operator.py_kernels[key])
    operator._dispatch_cache.clear()
