"""Calls of torch.compile that do not do what they say: a backend without kernels, dropped options, a useless disable."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_OPTIONS = ("mode", "dynamic", "backend", "options", "fullgraph")


def propose(site: Site) -> Iterator[Candidate]:
    cause = site.finding.cause
    for call in site.expressions(cst.Call):
        name = site.source.code(call.func)
        if cause == "disable-unwraps" and name in ("torch.compiler.disable", "torch._dynamo.disable"):
            inner = call.args[0].value if call.args else None
            if isinstance(inner, (cst.Call, cst.Name, cst.Attribute)):
                yield Candidate("compiles the function with what calls it", site.source.edited({call: inner}))
            if isinstance(inner, (cst.Name, cst.Attribute)):
                # disable takes the compiled function itself apart, but not one that is called inside of another
                apart = expression(f"lambda *args, **kwargs: {site.source.code(inner)}(*args, **kwargs)")
                yield Candidate("keeps the call apart, and what it calls compiled", site.source.edited({inner: apart}))
        elif name == "torch.compile" and call.args:
            dropped = ("backend",) if cause.startswith("backend:") else _OPTIONS
            kept = [one for one in call.args if not (one.keyword and one.keyword.value in dropped)]
            if len(kept) < len(call.args):
                kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                title = (
                    "compiles with Inductor, which has the kernel"
                    if len(dropped) == 1
                    else "leaves out options that have no effect"
                )
                yield Candidate(title, site.source.edited({call: call.with_changes(args=kept)}))


REWRITE = Rewrite("compile-options", ("disable-unwraps", "backend:.*", "nested:.*"), propose)
