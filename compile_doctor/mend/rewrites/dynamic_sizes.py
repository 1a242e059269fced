"""Sizes that vary from call to call: `dynamic=True` compiles once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.compile_calls import CompileCall, about, compile_calls
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site

SIZES = ("size:.*", "shape-range:.*")
"""Causes of findings about a size that varies."""


def propose(site: Site) -> Iterator[Candidate]:
    title = "compiles for all sizes at once (dynamic=True)"
    calls = compile_calls(site)
    meant = about(site, calls)
    for chosen in [meant] if len(meant) == len(calls) else [meant, calls]:
        if chosen:
            yield site.changed(title if chosen is meant else f"{title}, in every call of torch.compile", _edits(chosen))
    yield Candidate(title, compiling={"dynamic": True})


def _edits(calls: list[CompileCall]) -> dict[str, dict[cst.CSTNode, Any]]:
    found: dict[str, dict[cst.CSTNode, Any]] = {}
    for one in calls:
        found.setdefault(one.file, {})[one.node] = one.with_option("dynamic", "True")
    return found


REWRITE = Rewrite("dynamic-sizes", SIZES, propose, rank=60)
