"""`torch._check` before a line that needs to know something of a number read from a tensor: what always held is stated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.numbers import is_number
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, lines_of, walk

_OPPOSITE: dict[type[Any], str] = {
    cst.Equal: "!=",
    cst.NotEqual: "==",
    cst.LessThan: ">=",
    cst.LessThanEqual: ">",
    cst.GreaterThan: "<=",
    cst.GreaterThanEqual: "<",
}
_INTO_SIZES = (
    "narrow",
    "select",
    "view",
    "reshape",
    "expand",
    "repeat",
    "pad",
    "split",
    "zeros",
    "ones",
    "full",
    "arange",
)
"""Functions that take a size or a position: nothing but its sign is known to matter."""


def propose(site: Site) -> Iterator[Candidate]:
    """One candidate for each set of conditions. They raise where they do not hold, also on the inputs of the comparison."""
    statement = site.statement
    if statement is None or site.function is None or statement not in site.siblings(statement):
        return
    for checks in (*_of_decision(site), *_of_sizes(site)):
        text = "".join(f"torch._check({one})\n" for one in checks)
        bare = statement.with_changes(leading_lines=[])
        new = cst.FlattenSentinel([*lines_of(text, statement), bare])
        title = f"states {' and '.join(checks)} with torch._check, which raises if that does not hold"
        yield Candidate(title, site.source.edited({statement: new}))


def _of_decision(site: Site) -> Iterator[list[str]]:
    """The condition of an `if` or an assert on the line: that it always holds, or never."""
    for test in _tests(site):
        parts = _conjunction(test)
        if not any(is_number(site, one) for one in parts):
            continue
        yield [_holds(site, one) for one in parts]
        if len(parts) == 1:
            yield [_fails(site, test)]


def _tests(site: Site) -> list[Any]:
    own = [site.statement.test] if isinstance(site.statement, cst.If) else []
    asserts = [one.test for one in site.expressions(cst.Assert)]
    return [*own, *asserts, *(one.test for one in site.expressions(cst.IfExp))]


def _conjunction(test: Any) -> list[Any]:
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        return [*_conjunction(test.left), *_conjunction(test.right)]
    return [test]


def _holds(site: Site, test: Any) -> str:
    """`k > 3`; of a number alone, that it is not 0: `torch._check` takes no numbers."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _fails(site, test.expression)
    return _bare(site, test) if isinstance(test, cst.Comparison) else f"{_bare(site, test)} != 0"


def _fails(site: Site, test: Any) -> str:
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _holds(site, test.expression)
    if not isinstance(test, cst.Comparison):
        return f"{_bare(site, test)} == 0"
    first = test.comparisons[0]
    opposite = _OPPOSITE.get(type(first.operator)) if len(test.comparisons) == 1 else None
    if opposite is None:
        return f"not ({_bare(site, test)})"
    return f"{site.source.code(test.left)} {opposite} {site.source.code(first.comparator)}"


def _bare(site: Site, test: Any) -> str:
    return site.source.code(test.with_changes(lpar=[], rpar=[]) if test.lpar else test)


def _of_sizes(site: Site) -> Iterator[list[str]]:
    """The limits of slices and indices on the line, and the signs of numbers that become sizes."""
    checks: dict[str, None] = {}
    for node in site.expressions(cst.Subscript):
        for dimension, element in enumerate(node.slice):
            checks |= dict.fromkeys(_limits(site, site.source.code(node.value), dimension, element.slice))
    for call in site.expressions(cst.Call):
        if site.source.code(call.func).rpartition(".")[2] in _INTO_SIZES:
            numbers = [one for one in walk(call) if isinstance(one, cst.Name) and is_number(site, one)]
            checks |= {f"{one.value} >= 0": None for one in numbers}
    if checks:
        lower = [one for one in checks if one.endswith(">= 0")]
        yield list(checks)
        if lower and len(lower) < len(checks):
            yield lower


def _limits(site: Site, tensor: str, dimension: int, part: Any) -> Iterator[str]:
    """0 <= start <= size for the ends of a slice, and 0 <= position < size."""
    ends = [part.lower, part.upper] if isinstance(part, cst.Slice) else [part.value]
    below = "<=" if isinstance(part, cst.Slice) else "<"
    for end in ends:
        if end is not None and is_number(site, end):
            yield f"{site.source.code(end)} >= 0"
            yield f"{site.source.code(end)} {below} {tensor}.shape[{dimension}]"


REWRITE = Rewrite(
    "checked-number", ("data-dependent-guard", "data-dependent-branch", "data-dependent-assert"), propose, rank=66
)
