"""A function of a package that only checks is replaced by one that does nothing, from the target's own file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site

_PRINTED = re.compile(
    r'^(import importlib)\n(importlib\.import_module\("[\w.]+"\)\.[\w.]+ = lambda \*args, \*\*kwargs: None)$',
    re.MULTILINE,
)
"""As the advice of the finding prints it: that a function only checks was seen from its source, on the way to the break."""


def propose(site: Site) -> Iterator[Candidate]:
    for found in _PRINTED.finditer(site.finding.fix):
        name = found[2].partition(" =")[0]
        yield Candidate(f"leaves out the check `{name.rpartition('.')[2]}` of a package", settings=found.groups())


REWRITE = Rewrite("check-outside", (".*",), propose, rank=45)
