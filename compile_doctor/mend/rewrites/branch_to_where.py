"""A Python branch on a tensor's value becomes `torch.where`: both sides are computed, and the device chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import known_before, read_after, targets
from compile_doctor.mend.conditions import as_tensor_test, split
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.rewrites.messages_outside import is_message
from compile_doctor.mend.site import COMPILING, Candidate, Site, Source, expression, lines_of, only, walk


class _UnfitError(Exception):
    """A side does something that cannot be chosen on the device."""


@dataclass
class _Side:
    """What one side of a branch does: lines that have to come first, and the value of each target."""

    before: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    returned: list[str] | None = None
    tuple_: bool = False


def propose(site: Site) -> Iterator[Candidate]:
    statement = site.statement
    if isinstance(statement, cst.If):
        yield from _branch(site, statement)
    yield from _named_condition(site)
    for choice in site.expressions(cst.IfExp):
        test = as_tensor_test(site.source, choice.test)
        text = f"torch.where({test}, {site.source.code(choice.body)}, {site.source.code(choice.orelse)})"
        yield Candidate("chooses with torch.where", site.source.edited({choice: expression(text)}))
        return


def _named_condition(site: Site) -> Iterator[Candidate]:
    """`flag = not (x < 0).any()`, which a conditional expression reads: both are rewritten."""
    small = only(site.statement)
    if site.function is None or not (isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name)):
        return
    name = small.targets[0].target.value
    changes: dict[cst.CSTNode, Any] = {small.value: expression(as_tensor_test(site.source, small.value))}
    for node in walk(site.function):
        if isinstance(node, cst.IfExp) and site.source.code(node.test) == name:
            sides = f"{site.source.code(node.body)}, {site.source.code(node.orelse)}"
            changes[node] = expression(f"torch.where({name}, {sides})")
    if len(changes) > 1:
        yield Candidate(
            "computes the condition and both sides, and chooses with torch.where", site.source.edited(changes)
        )


def _branch(site: Site, branch: cst.If) -> Iterator[Candidate]:
    source = site.source
    following = _after(site, branch)
    leaves = any(isinstance(node, cst.Return) for node in walk(branch.body))
    # `x.dtype == torch.float16 and …` stays an `if`: the other dtypes compute what they did
    fixed, test = ("", branch.test) if branch.orelse is not None or leaves else split(source, branch.test)
    try:
        inner = _temporaries(site, branch)
        side = _chosen(source, branch.with_changes(test=test), following, inner)
    except _UnfitError:
        return
    taken = following if side.returned is not None and branch.orelse is None else []
    lines = [*_comments(branch), *side.before, *(f"{name} = {value}" for name, value in side.values.items())]
    if side.returned is not None:
        lines.append("return " + _joined(side.returned, side.tuple_))
    if fixed:
        lines = [f"if {fixed}:", *(f"    {line}" for line in lines)]
    changes: dict[cst.CSTNode, Any] = {one: cst.RemoveFromParent() for one in taken}
    changes[branch] = cst.FlattenSentinel(lines_of("".join(f"{line}\n" for line in lines), branch))
    sides = tuple(source.lines(one)[0] for one in [*_bodies(branch), *taken])
    yield Candidate("computes both sides and chooses with torch.where", source.edited(changes), sides=sides)


def _temporaries(site: Site, branch: cst.If) -> set[str]:
    """Names that only a side itself needs: its values are written out, so nothing assigns them any more.

    Raises _UnfitError for one that is read afterwards and exists only if its side has run.
    """
    if any(isinstance(node, cst.Return) for node in walk(branch)):
        return set()
    known, later = known_before(site, branch), read_after(site, branch)
    parts = [set(targets(site.source, part)) for part in _parts(branch)]
    new = {name for part in parts for name in part if name.isidentifier() and name not in known}
    if any(name in later and not all(name in part for part in parts) for name in new):
        raise _UnfitError
    return new - later


def _parts(branch: cst.If) -> list[list[Any]]:
    other = branch.orelse
    more = _parts(other) if isinstance(other, cst.If) else [list(other.body.body) if other is not None else []]
    return [list(branch.body.body), *more]


def _chosen(source: Source, branch: cst.If, following: Sequence[Any], inner: set[str]) -> _Side:
    """Both sides of an `if`, combined, without the names that only one side needs (`inner`)."""
    test = as_tensor_test(source, branch.test)
    then = _side(source, branch.body.body, test)
    if isinstance(branch.orelse, cst.If):
        other = _chosen(source, branch.orelse, following, inner)
    elif isinstance(branch.orelse, cst.Else):
        other = _side(source, branch.orelse.body.body, f"not ({source.code(branch.test)})")
    else:
        other = _side(source, following if then.returned is not None else [], "")
    if (then.returned is None) != (other.returned is None):
        raise _UnfitError
    found = _Side([*then.before, *other.before])
    if then.returned is not None and other.returned is not None:
        if len(then.returned) != len(other.returned) or then.tuple_ != other.tuple_:
            raise _UnfitError
        found.returned = [_where(test, a, b) for a, b in zip(then.returned, other.returned)]
        found.tuple_ = then.tuple_
        return found
    for name in dict.fromkeys([*then.values, *other.values]):
        if name in inner:
            continue
        found.values[name] = _where(test, then.values.get(name, name), other.values.get(name, name))
    written = set(found.values)
    # The condition is evaluated once for each target: a target that it reads must not be written before the last.
    if len(written) > 1 and any(name in test for name in written):
        raise _UnfitError
    return found


def _side(source: Source, body: Sequence[Any], test: str) -> _Side:
    """A block of assignments, messages and perhaps a return; each name is assigned once."""
    side = _Side()
    for one in body:
        small = only(one)
        if side.returned is not None:
            raise _UnfitError
        if is_message(one):
            side.before += [f"if not {COMPILING}:", f"    if {test}:", f"        {source.code(one)}"]
        elif isinstance(small, cst.Return) and small.value is not None:
            side.tuple_ = isinstance(small.value, cst.Tuple)
            parts = (
                [part.value for part in small.value.elements] if isinstance(small.value, cst.Tuple) else [small.value]
            )
            side.returned = [_read(source, side, part) for part in parts]
        elif isinstance(small, cst.Assign) and len(small.targets) == 1:
            _write(source, side, small.targets[0].target, _read(source, side, small.value))
        elif isinstance(small, cst.AugAssign):
            operator = source.code(small.operator).removesuffix("=")
            target = source.code(small.target)
            known = side.values.get(target, target)
            _write(source, side, small.target, f"{known} {operator} ({_read(source, side, small.value)})")
        elif not isinstance(small, cst.Pass):
            raise _UnfitError
    return side


def _write(source: Source, side: _Side, target: Any, value: str) -> None:
    name = source.code(target)
    if not isinstance(target, (cst.Name, cst.Attribute)):
        raise _UnfitError
    side.values[name] = value


def _read(source: Source, side: _Side, value: Any) -> str:
    """An expression in which the names that this side has assigned are replaced by their values."""
    text = source.code(value)
    if "\n" in text:
        text = f"({text})"
    if not side.values:
        return text
    filled: Any = expression(text).visit(_Filled(side.values))
    return cst.Module([]).code_for_node(filled)


class _Filled(cst.CSTTransformer):
    def __init__(self, values: dict[str, str]) -> None:
        super().__init__()
        self.values = values

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        known = self.values.get(original_node.value)
        return updated_node if known is None else expression(f"({known})")

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        known = self.values.get(cst.Module([]).code_for_node(original_node))
        if known is not None:
            return expression(f"({known})")
        return updated_node.with_changes(attr=original_node.attr)


def _where(test: str, then: str, other: str) -> str:
    return then if then == other else f"torch.where({test}, {then}, {other})"


def _joined(values: list[str], tuple_: bool) -> str:
    return ", ".join(values) + ("," if tuple_ and len(values) == 1 else "")


def _after(site: Site, branch: cst.If) -> list[Any]:
    """The statements after the branch in its block, if the block is the function's own."""
    block = list(site.siblings(branch))
    return block[block.index(branch) + 1 :] if branch in block else []


def _bodies(branch: cst.If) -> list[Any]:
    other = branch.orelse
    more = _bodies(other) if isinstance(other, cst.If) else list(other.body.body) if other is not None else []
    return [*branch.body.body, *more]


def _comments(branch: cst.If) -> list[str]:
    """The comments inside of the branch: they stay, above what replaces it."""
    found = []
    for one in _bodies(branch):
        found += [line.comment.value for line in one.leading_lines if line.comment]
        trailing = getattr(one, "trailing_whitespace", None)
        if trailing is not None and trailing.comment:
            found.append(trailing.comment.value)
    header = getattr(branch.body, "header", None)
    return ([header.comment.value] if header is not None and header.comment else []) + found


REWRITE = Rewrite("branch-to-where", ("data-dependent-branch", "error:Unsupported.*"), propose, rank=30)
