"""Where compile-doctor keeps what it can make again: in the platform's cache folder of the user."""

from __future__ import annotations

from pathlib import Path


def cache_place() -> Path | None:
    """The folder; None for a user without a home directory."""
    from platformdirs import user_cache_path  # only here: most runs keep nothing

    try:
        base = user_cache_path("compile-doctor", appauthor=False)
    except RuntimeError:  # HOME is not set and the user is unknown; versions before 4.14 return a relative path
        return None
    return base if base.is_absolute() else None
