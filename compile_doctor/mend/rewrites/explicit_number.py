"""A tensor where a function needs a number (`F.pad(x, (0, n))`): `n.item()`, which torch can trace as a symbol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_NEVER_NUMBERS = ("dtype", "device", "layout", "memory_format")
_SETTINGS = ("torch._dynamo.config.capture_scalar_outputs = True",)


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        inner = [arg.value for arg in call.args if not (arg.keyword and arg.keyword.value in _NEVER_NUMBERS)]
        parts = [one.value for value in inner if isinstance(value, (cst.Tuple, cst.List)) for one in value.elements]
        for value in parts or inner:
            if isinstance(value, (cst.Name, cst.Attribute)):
                text = site.source.edited({value: expression(f"{site.source.code(value)}.item()")})
                title = f"reads {site.source.code(value)} as a number, which torch traces as a symbol"
                yield Candidate(title, text, settings=_SETTINGS)
        if parts and any(_plain(one) for one in parts):
            return


def _plain(value: Any) -> bool:
    return isinstance(value, (cst.Name, cst.Attribute))


REWRITE = Rewrite("explicit-number", ("tensor-item", "tensor-slice-bound"), propose, rank=72)
