"""Imports torch._inductor.codecache, which loading a package uses, before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def load_aoti(original: Callable[P, R]) -> Callable[P, R]:
    def with_codecache(*args: P.args, **named: P.kwargs) -> R:
        # At the call: it is a large import, which only a program that loads a package needs.
        importlib.import_module("torch._inductor.codecache")
        return original(*args, **named)

    return with_codecache
