"""`torch.bincount` with a fixed length becomes a comparison with each number: its size no longer depends on values."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        given = {one.keyword.value: site.source.code(one.value) for one in call.args if one.keyword}
        plain = [site.source.code(one.value) for one in call.args if one.keyword is None]
        function = call.func
        if not (
            isinstance(function, cst.Attribute) and function.attr.value == "bincount" and set(given) == {"minlength"}
        ):
            continue
        owner = site.source.code(function.value)
        numbers = plain[0] if owner == "torch" and len(plain) == 1 else owner if not plain else ""
        if numbers:
            length = given["minlength"]
            every = f"torch.arange({length}, device={numbers}.device)"
            text = f"({numbers}.unsqueeze(-1) == {every}).sum(0)"
            yield Candidate("counts by comparing with each number", site.source.edited({call: expression(text)}))
            return


REWRITE = Rewrite("counts-by-comparison", ("dynamic-shape-operator.*",), propose)
