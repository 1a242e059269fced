"""Sizes that vary from call to call: `dynamic=True` compiles once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, walk


def propose(site: Site) -> Iterator[Candidate]:
    title = "compiles for all sizes at once (dynamic=True)"
    changes: dict[cst.CSTNode, Any] = {}
    for call in compile_calls(site):
        kept = [one for one in call.args if not (one.keyword and one.keyword.value == "dynamic")]
        added = cst.Arg(
            keyword=cst.Name("dynamic"),
            value=cst.Name("True"),
            equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
        )
        changes[call] = call.with_changes(args=[*kept, added])
    if changes:
        yield Candidate(title, site.source.edited(changes))
    yield Candidate(title, compiling={"dynamic": True})


def compile_calls(site: Site) -> list[cst.Call]:
    """The calls of torch.compile in the file."""
    found = [node for node in walk(site.source.module) if isinstance(node, cst.Call)]
    return [one for one in found if site.source.code(one.func) == "torch.compile" and one.args]


REWRITE = Rewrite("dynamic-sizes", ("size:.*", "shape-range:.*"), propose, rank=60)
