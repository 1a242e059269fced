"""`print` and `warnings.warn` stay in the graph's function, and are shown after the graph has run."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        name = site.source.code(call.func)
        if name in ("print", "warnings.warn"):
            lines = ["import warnings"] if name != "print" else []
            lines.append(f"torch._dynamo.config.reorderable_logging_functions.add({name})")
            yield Candidate(f"lets torch.compile move {name}() behind the graph", settings=tuple(lines))
            return


REWRITE = Rewrite("messages-reordered", ("print", "warnings"), propose, rank=10)
