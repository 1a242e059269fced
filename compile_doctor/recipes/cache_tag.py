"""Separates code that was compiled with recipes from code that was compiled without, in torch's caches on disk.

The key of Inductor's cache covers torch's source files and settings, not what was replaced in memory. Without this tag,
a wrong result that was compiled before a recipe was applied would be loaded afterwards, and the reverse.
`torch.compiler.config.cache_key_tag` is part of the keys of all of torch's compile caches (torch 2.8 to 2.15).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from compile_doctor.recipes.changes import forget_hashes

_PREFIX = "compile-doctor:"
_SETTINGS = "torch.compiler.config"


def tag_caches(names: Iterable[str]) -> None:
    """Tags the caches with the active recipes, after the user's own tag if the environment sets one."""
    module = sys.modules.get(_SETTINGS)
    entry: Any = vars(module).get("_config", {}).get("cache_key_tag") if module is not None else None
    if entry is None:
        return
    tag = _PREFIX + ",".join(sorted(names)) if names else ""
    entry.default = tag
    if isinstance(entry.env_value_default, str):
        own = entry.env_value_default.partition(_PREFIX)[0].rstrip(";")
        entry.env_value_default = f"{own};{tag}" if tag else own
    forget_hashes(module)
