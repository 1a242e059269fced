"""The condition of a Python branch, as an expression that `torch.where` and tensor asserts take."""

from __future__ import annotations

from typing import Any

import libcst as cst

from compile_doctor.mend.site import Source


def as_tensor_test(source: Source, test: Any) -> str:
    """`not a` → `torch.logical_not(a)`, `a and b` → `torch.logical_and(…)`; without `bool()`, `float()` and `.item()`."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return f"torch.logical_not({as_tensor_test(source, test.expression)})"
    if isinstance(test, cst.BooleanOperation):
        name = "logical_and" if isinstance(test.operator, cst.And) else "logical_or"
        left, right = (f"torch.as_tensor({as_tensor_test(source, one)})" for one in (test.left, test.right))
        return f"torch.{name}({left}, {right})"
    if isinstance(test, cst.Call) and source.code(test.func) == "bool" and len(test.args) == 1:
        return as_tensor_test(source, test.args[0].value)
    bare = test.with_changes(lpar=[], rpar=[]) if getattr(test, "lpar", ()) else test
    text = cst.Module([]).code_for_node(bare.visit(_Unread())).strip()
    return " ".join(part.strip() for part in text.splitlines())


def negated(source: Source, test: Any) -> str:
    """The opposite of a condition."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return as_tensor_test(source, test.expression)
    return f"torch.logical_not({as_tensor_test(source, test)})"


def split(source: Source, test: Any) -> tuple[str, Any]:
    """The parts of `a and b` in front that need no tensor's value (`x.dtype == torch.float16`), and the rest."""
    if not (isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And)):
        return "", test
    fixed, rest = split(source, test.left)
    if fixed:
        return fixed, test.with_changes(left=rest) if rest is not None else test.right
    return (source.code(test.left), test.right) if _fixed(source, test.left) else ("", test)


def _fixed(source: Source, part: Any) -> bool:
    """Whether an expression is about Python values by the way in which it is written."""
    if isinstance(part, cst.UnaryOperation):
        return _fixed(source, part.expression)
    if isinstance(part, cst.Comparison):
        return isinstance(part.comparisons[0].operator, (cst.Is, cst.IsNot)) or ".dtype" in source.code(part.left)
    name = source.code(part.func) if isinstance(part, cst.Call) else source.code(part)
    return name in ("isinstance", "hasattr", "self.training")


class _Unread(cst.CSTTransformer):
    """Leaves out `.item()`, and `float()` and `int()` around it: a comparison of tensors needs no Python number."""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        function = updated_node.func
        if isinstance(function, cst.Attribute) and function.attr.value == "item" and not updated_node.args:
            return function.value
        return updated_node
