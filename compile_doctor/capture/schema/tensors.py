"""Tensors, real or fake, as the probe describes them."""

from __future__ import annotations

from typing import TypedDict

from compile_doctor.model.stacks import Frame


class Made(TypedDict):
    """What computed a tensor, ignoring operations that only rearrange it."""

    by: str
    module: str
    stack: list[Frame]


class _Tensor(TypedDict):
    shape: list[int]
    dtype: str
    device: str
    type: str


class TensorSeen(_Tensor, total=False):
    """A tensor, real or fake. A size that is not known is -1; strides are empty if there are none."""

    strides: list[int]
    requires_grad: bool
    made: Made | None


Inputs = dict[str, TensorSeen | None]  # not quoted, because Python 3.10 does not resolve a string here
"""`query`, `key` and `value`."""
