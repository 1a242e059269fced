"""`create_block_mask` is called once for each size, and its result is kept."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_NAME = "kept_block_mask"
_HEAD = (
    "import functools",
    f"{_NAME} = functools.lru_cache(maxsize=8)(create_block_mask)  # its arguments have to be hashable",
)


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        if site.source.code(call.func) == "create_block_mask":
            text = site.source.edited({call.func: expression(_NAME)}, _HEAD)
            yield Candidate("keeps the block mask of each size, instead of making it at each call", text)
            return


REWRITE = Rewrite("kept-block-mask", ("mask-per-call",), propose)
