"""A Python branch on a tensor's value becomes `torch.cond`, which runs one side: if both together are impossible."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.blocks import indented, known_before, leaves, read_after, targets
from compile_doctor.mend.conditions import as_tensor_test
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, lines_of, names, walk


def propose(site: Site) -> Iterator[Candidate]:
    branch = site.statement
    if not isinstance(branch, cst.If) or isinstance(branch.orelse, cst.If) or site.function is None:
        return
    then = list(branch.body.body)
    other = list(branch.orelse.body.body) if branch.orelse is not None else []
    written = targets(site.source, [*then, *other])
    if leaves([*then, *other]) or not all(name.isidentifier() for name in written):
        return
    known, later = known_before(site, branch), read_after(site, branch)
    chosen = [name for name in written if name in later]
    given = [name for name in chosen if name in known]
    if not chosen or set(names(branch)) & {"if_true", "if_false"}:
        return
    result = ", ".join(chosen) + ("," if len(chosen) == 1 else "")
    operands = ", ".join(given) + ("," if len(given) == 1 else "")
    lines = []
    for name, body in (("if_true", then), ("if_false", other)):
        lines += [f"def {name}({', '.join(given)}):", *indented(site.source, body)]
        lines += [f"    return {', '.join(_value(one, body, site) for one in chosen)}{',' * (len(chosen) == 1)}"]
    lines.append(f"{result} = torch.cond({as_tensor_test(site.source, branch.test)}, if_true, if_false, ({operands}))")
    new = cst.FlattenSentinel(lines_of("".join(f"{line}\n" for line in lines), branch))
    sides = tuple(site.source.lines(part[0])[0] for part in (then, other) if part)
    yield Candidate("chooses a side on the device with torch.cond", site.source.edited({branch: new}), sides=sides)


def _value(name: str, body: list[cst.CSTNode], site: Site) -> str:
    """A side that leaves a tensor as it is returns a copy: an output of torch.cond must not be an input."""
    aliased = any(_names_another(site, node, name) for one in body for node in walk(one))
    return name if name in targets(site.source, body) and not aliased else f"{name}.clone()"


def _names_another(site: Site, node: cst.CSTNode, name: str) -> bool:
    """Whether it is `name = other`: the same tensor under another name."""
    plain = isinstance(node, cst.Assign) and isinstance(node.value, (cst.Name, cst.Attribute, cst.Subscript))
    return plain and name in targets(site.source, [node])


REWRITE = Rewrite("branch-to-cond", ("data-dependent-branch",), propose, rank=38)
