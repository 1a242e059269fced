"""`if mask is None or torch.all(mask == 1): mask = None` without the part that needs a value: for a shortcut that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, only, walk

_READING = {"all", "any", "item", "sum", "max", "min", "equal", "allclose", "isnan", "isinf"}


def propose(site: Site) -> Iterator[Candidate]:
    branch = site.statement
    if not isinstance(branch, cst.If) or branch.orelse is not None:
        return
    body = list(branch.body.body)
    if not all(isinstance(only(one), cst.Assign) for one in body):
        return
    kept = _without_values(branch.test)
    if kept is branch.test:
        return
    new: Any = cst.RemoveFromParent() if kept is None else branch.with_changes(test=kept)
    # The other way is the same code as before: only the shortcut itself has to have been taken.
    sides = (site.source.lines(body[0])[0],)
    yield Candidate("takes no shortcut that depends on values", site.source.edited({branch: new}), sides=sides)


def _without_values(test: Any) -> Any:
    """The condition without the parts of an `or` that need a tensor's value; None if nothing is left."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.Or):
        left, right = _without_values(test.left), _without_values(test.right)
        if left is test.left and right is test.right:
            return test
        return test.with_changes(left=left, right=right) if left is not None and right is not None else left or right
    calls = [node.func for node in walk(test) if isinstance(node, cst.Call)]
    names = {one.attr.value for one in calls if isinstance(one, cst.Attribute)}
    return None if names & _READING else test


REWRITE = Rewrite("shortcut-removed", ("data-dependent-branch",), propose, rank=37)
