"""Attention gets key and value in the dtype of the query."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        name = site.source.code(call.func).rpartition(".")[2]
        plain = [one for one in call.args if one.keyword is None and not one.star]
        if not (name in ("scaled_dot_product_attention", "flex_attention") or "flex" in name) or len(plain) < 3:
            continue
        codes = [site.source.code(one.value) for one in plain[:3]]
        if not codes[0].isidentifier():
            continue
        for chosen in dict.fromkeys((codes[0], codes[2] if codes[2].isidentifier() else codes[0])):
            changes = {
                one.value: expression(f"{code}.to({chosen}.dtype)") for one, code in zip(plain, codes) if code != chosen
            }
            yield Candidate(f"converts to the dtype of {chosen} before attention", site.source.edited(changes))
        return


REWRITE = Rewrite("one-dtype", ("mixed-dtypes",), propose)
