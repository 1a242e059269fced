"""Whether `build_model()` gave the same module again, in the state in which the compiled run left it."""

from __future__ import annotations

import weakref
from typing import Any

import torch

Mark = tuple[Any, ...]
_PLAIN = (bool, int, float, str, type(None))


class FirstModel:
    """The module that was compiled, and a mark of its state before; it does not keep the module alive."""

    def __init__(self, model: Any) -> None:
        self._model = weakref.ref(model) if isinstance(model, torch.nn.Module) else None
        self._mark = _mark(model)

    def was_changed(self, model: Any) -> bool:
        """Whether this is that module, and its state is another: then a second run cannot be compared with the first."""
        return self._model is not None and self._model() is model and _mark(model) != self._mark


def _mark(model: Any) -> Mark:
    """How often each tensor was written, and the plain attributes of each part."""
    if not isinstance(model, torch.nn.Module):
        return ()
    tensors = [*model.named_parameters(), *model.named_buffers()]
    written = tuple((name, id(tensor), tensor._version) for name, tensor in tensors if not tensor.is_inference())
    plain = tuple(
        (name, key, value)
        for name, part in model.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, _PLAIN)
    )
    return (*written, *plain)
