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


class _Unread(cst.CSTTransformer):
    """Leaves out `.item()`, and `float()` and `int()` around it: a comparison of tensors needs no Python number."""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        function = updated_node.func
        if isinstance(function, cst.Attribute) and function.attr.value == "item" and not updated_node.args:
            return function.value
        return updated_node
