"""A check of a tensor's value that Dynamo can put into the graph: an assert with a literal message, or a tensor assert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.conditions import as_tensor_test, negated
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import COMPILING, Candidate, Site, lines_of, only

_CHECKS = ("torch_compilable_check", "_check_with", "_check_tensor_all", "_check_tensor_all_with")
"""Functions that do nothing but check an argument."""


def propose(site: Site) -> Iterator[Candidate]:
    statement = site.statement
    small = only(statement)
    if isinstance(small, cst.Assert):
        text = literal(small.msg)
        if text != (site.source.code(small.msg) if small.msg else text):
            changed = small.with_changes(msg=cst.SimpleString(text))
            yield Candidate("makes the message of the assert a literal text", site.source.edited({small: changed}))
        test = as_tensor_test(site.source, small.test)
        yield _asserted(site, statement, test, text)
    elif (check := checked(site)) is not None:
        condition, message = check
        if "closure" in site.finding.cause:
            yield compiled_only(site, f"torch._check({site.source.code(condition)})")
            return
        test = f"torch.as_tensor({as_tensor_test(site.source, condition)}).all()"
        if _has_own_error(site):
            yield compiled_only(site, f"torch._assert_async({test}, {literal(message)})")
        else:
            yield _asserted(site, statement, test, literal(message))
    elif isinstance(statement, cst.If) and statement.orelse is None and len(statement.body.body) == 1:
        raised = only(statement.body.body[0])
        if isinstance(raised, cst.Raise):
            message = raised.exc.args[0].value if isinstance(raised.exc, cst.Call) and raised.exc.args else None
            yield _asserted(site, statement, negated(site.source, statement.test), literal(message))


def checked(site: Site) -> tuple[Any, Any] | None:
    """The condition and the message (or None) of a statement that only calls a check; None for any other."""
    small = only(site.statement)
    call = small.value if isinstance(small, cst.Expr) else None
    if not isinstance(call, cst.Call) or site.source.code(call.func).rpartition(".")[2] not in _CHECKS:
        return None
    plain = [one.value for one in call.args if one.keyword is None]
    condition, *rest = [*(plain[1:] if _has_own_error(site) and len(plain) > 1 else plain), None]
    return (condition, rest[0] if rest else None) if condition is not None else None


def _has_own_error(site: Site) -> bool:
    """Whether the exception's type is the first argument of the call."""
    return site.source.code(only(site.statement).value.func).endswith("_with")


def compiled_only(site: Site, check: str) -> Candidate:
    """A check for compiled code. Eager mode keeps the statement, with its exception and message."""
    statement = site.statement
    code = site.source.code(statement)
    text = f"if {COMPILING}:\n    {check}\nelse:\n" + "".join(f"    {line}\n" for line in code.splitlines())
    new = cst.FlattenSentinel(lines_of(text, statement.with_changes(leading_lines=statement.leading_lines)))
    return Candidate("checks without a message in compiled code", site.source.edited({statement: new}))


def _asserted(site: Site, statement: Any, test: str, text: str) -> Candidate:
    line = f"torch._assert_async({test}, {text})\n"
    new = cst.FlattenSentinel(lines_of(line, statement))
    return Candidate("checks on the device: the exception is a RuntimeError", site.source.edited({statement: new}))


def literal(message: Any) -> str:
    """A message as a literal: of an f-string the text, with the names of its values in braces."""
    if isinstance(message, cst.SimpleString):
        return message.value
    if isinstance(message, cst.Lambda):
        return literal(message.body)
    if isinstance(message, cst.FormattedString):
        parts = [
            part.value if isinstance(part, cst.FormattedStringText) else "{" + _name(part) + "}"
            for part in message.parts
        ]
        return repr("".join(parts)).replace("'", '"') if '"' not in "".join(parts) else repr("".join(parts))
    return '"the check failed"'


def _name(part: Any) -> str:
    return cst.Module([]).code_for_node(part.expression).strip()


REWRITE = Rewrite(
    "assert-plain",
    (
        "data-dependent-branch",
        "data-dependent-assert",
        "tensor-item",
        "object-to-string",
        "tensor-to-string",
        "other-.*_check-message.*",
    ),
    propose,
    rank=25,
)
