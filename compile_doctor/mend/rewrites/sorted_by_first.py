"""`sorted` of pairs gets a key, their first element: it never compares the tensors behind it."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        known = any(one.keyword and one.keyword.value == "key" for one in call.args)
        if site.source.code(call.func) == "sorted" and not known:
            inner = ", ".join(site.source.code(one).rstrip(",") for one in call.args)
            new = expression(f"sorted({inner}, key=lambda pair: pair[0])")
            yield Candidate("sorts the pairs by their first element", site.source.edited({call: new}))
            return


REWRITE = Rewrite("sorted-by-first", ("sort-of-pairs", "sort-by-tensor"), propose)
