"""torch's remark about a missing numpy: nothing here needs numpy, and it would be the first line on the screen."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_numpy_remark() -> Iterator[None]:
    """Around the first import of torch, which makes the remark (torch/_subclasses/functional_tensor.py, torch 2.8 to 2.15)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
        yield
