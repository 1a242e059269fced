"""`copy.deepcopy` of a tensor becomes a detached clone, which Dynamo traces."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        if site.source.code(call.func) in ("copy.deepcopy", "deepcopy", "copy.copy") and len(call.args) == 1:
            text = f"{site.source.code(call.args[0].value)}.detach().clone()"
            yield Candidate("copies the tensor with clone()", site.source.edited({call: expression(text)}))
            return


REWRITE = Rewrite("deepcopy-to-clone", ("copy-deepcopy",), propose)
