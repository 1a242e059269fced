"""Bytes as people read them."""

from __future__ import annotations


def human(size: float) -> str:
    """`26.5 MB`, `6.7 GB`: powers of 1,000."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(size) < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError
