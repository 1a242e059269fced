"""The default cache folder is named after the user's number if the number has no name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable


def default_cache_dir(original: Callable[[], str]) -> Callable[[], str]:
    def without_a_name() -> str:
        try:
            return original()
        except (KeyError, OSError):  # what getpass.getuser() raises, the latter from Python 3.13 on
            # As torch 2.13 names it, so that an update finds the caches again.
            return os.path.join(tempfile.gettempdir(), f"torchinductor_uid_{os.getuid()}")

    return without_a_name
