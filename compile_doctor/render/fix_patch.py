"""The result of `fix` as a unified diff, for `git apply` and `patch -p1`; empty if nothing changes."""

from __future__ import annotations

from compile_doctor.mend.result import Mended


def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    return mended.patch()
