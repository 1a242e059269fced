"""Whether a compiled run that failed passes with an empty Inductor cache: then a file of the cache is damaged."""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Child, Evidence

_LOADED = re.compile(
    r"^(?:torch\._inductor|torch\._functorch)|^(?:OSError|ImportError|EOFError|UnicodeDecodeError)$|Unpickling|JSONDecode|Cpp\w{0,40}Error"
)
"""Types that a damaged file of the cache leads to, among others: reading and loading it, and compiling against it."""


def folders() -> list[Path]:
    """Where Inductor keeps what it compiles, and its precompiled headers, as torch decides it, without asking torch."""
    named = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    user = f"uid_{os.getuid()}" if hasattr(os, "getuid") else "unknown_user"
    with suppress(KeyError, ModuleNotFoundError, OSError):
        user = getpass.getuser()
    usual = Path(tempfile.gettempdir()) / ("torchinductor_" + re.sub(r'[\\/:*?"<>|]', "_", user))
    return [one for one in ([Path(named), usual / "precompiled_headers"] if named else [usual]) if one.is_dir()]


def is_worth_a_try(settings: Settings, child: Child, seen: Evidence) -> bool:
    """Whether Inductor was running, and it ended in a way that a damaged file can lead to."""
    if settings.backend not in (None, "inductor") or not folders():
        return False
    if child.ended == "signal":
        return seen.phases.get("compiled") == "begun"
    failure = seen.failure("compiled")
    return failure is not None and any(_LOADED.search(link.type) for link in failure.chain)


def environment(base: dict[str, str], empty: Path) -> dict[str, str]:
    """`base` with an empty cache; precompiled headers lie in the temporary folder even if the cache does not."""
    return {**base, "TORCHINDUCTOR_CACHE_DIR": str(empty / "inductor"), "TMPDIR": str(empty)}
