"""A comparison of sizes that an operator takes as a flag becomes True or False while Dynamo traces."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_FLAGS = {"is_causal", "descending", "largest", "sorted", "keepdim", "training", "enable_gqa"}


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        for argument in call.args:
            name = argument.keyword.value if argument.keyword else ""
            if name in _FLAGS and not isinstance(argument.value, cst.IfExp):
                code = site.source.code(argument.value)
                text = site.source.edited({argument.value: expression(f"True if {code} else False")})
                yield Candidate(f"makes {name} a constant of the graph, with a guard", text)


REWRITE = Rewrite("flag-as-constant", ("symbolic-argument", "error:TypeError.*"), propose)
