"""Which source a function has: what a replacement was written for, it may replace, and nothing else."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from typing import Any


def fingerprint(value: Any) -> str:
    """Twelve hexadecimal digits over the source of a function or class, and of each wrapper around it.

    Each layer counts, `__wrapped__` by `__wrapped__`: a wrapper that somebody else put on is another source.
    Empty where there is no source to read.
    """
    parts = []
    layer = getattr(value, "__func__", value)
    while layer is not None:
        source = getattr(layer, "__code__", None) or (layer if inspect.isclass(layer) else None)
        if source is None:
            parts.append(type(layer).__qualname__)  # functools.lru_cache's, for one, has no source
        else:
            try:
                parts.append(textwrap.dedent(inspect.getsource(source)).strip())
            except (OSError, TypeError):
                return ""
        layer = None if inspect.isclass(layer) else getattr(layer, "__wrapped__", None)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
