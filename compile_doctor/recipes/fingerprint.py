"""The fingerprint of a function's source: a replacement may replace only the sources that it was written for."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from typing import Any


def fingerprint(value: Any) -> str:
    """Twelve hexadecimal digits: the hash of the source of a function or class, and of each wrapper around it.

    Each layer of `__wrapped__` counts: a wrapper that other code added changes the fingerprint.
    Empty if the source cannot be read.
    """
    parts = []
    layer = getattr(value, "__func__", value)
    while layer is not None:
        source = getattr(layer, "__code__", None) or (layer if inspect.isclass(layer) else None)
        if source is None:
            parts.append(type(layer).__qualname__)  # a layer without Python source, such as functools.lru_cache
        else:
            try:
                parts.append(textwrap.dedent(inspect.getsource(source)).strip())
            except (OSError, TypeError):
                return ""
        layer = None if inspect.isclass(layer) else getattr(layer, "__wrapped__", None)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
