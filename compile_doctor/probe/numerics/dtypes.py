"""The dtypes that a model computes in, which may differ from its parameters and inputs: casts in forward, autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from compile_doctor.probe.numerics.trees import dtype_name


class Dtypes(TorchFunctionMode):
    """Records the dtype of every result of a call from Python."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.seen.add(dtype_name(result))
        elif isinstance(result, (tuple, list)):
            self.seen.update(dtype_name(leaf) for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor))
        return result
