"""What a call returns, by the name of its function."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from compile_doctor.source import vocabulary as known
from compile_doctor.source.assigned import values_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.vocabulary import BOOL, MASK, TENSOR

if TYPE_CHECKING:
    from compile_doctor.source.values.kinds import Look


def kind(look: Look, node: ast.Call) -> str:
    """The kind of a call's result."""
    name, full = called(node), look.tree.names.of(node.func)
    if isinstance(node.func, ast.Name) and name in ("bool", "isinstance", "hasattr", "callable"):
        return BOOL
    if isinstance(node.func, ast.Name) and name in ("max", "min", "sum", "abs", "pow"):
        return look.common(node.args) if len(node.args) > 1 or name == "abs" else ""
    if full.startswith(("torch.cond", "torch.utils.", "torch.cuda.", *known.TORCH_TEXTS)):
        return ""
    if name in known.BY_CALL and (name not in known.MADE_OF_MANY or _has_dim(node, full)):
        return known.BY_CALL[name]
    if name in known.OF_MODULES_TOO and isinstance(node.func, ast.Attribute):
        return look.kind(node.func.value)
    if name in ("Parameter", "Buffer") and full.rpartition(".")[0] in ("torch.nn", "nn", "torch.nn.parameter"):
        return TENSOR
    if name in known.MASKS and isinstance(node.func, ast.Attribute):
        return MASK
    if full.startswith(("torch.nn.functional.", "F.")) or (full.startswith("torch.") and full.count(".") == 1):
        return TENSOR
    if isinstance(node.func, ast.Attribute):
        if name in known.REDUCED | known.VIEWS | known.INTEGERS | known.MADE_OF_MANY:
            return TENSOR
        if is_module_call(look.tree, node) or look.kind(node.func.value) in (TENSOR, MASK):
            return TENSOR
    return ""


def is_module_call(tree: Tree, node: ast.Call) -> bool:
    """`self.proj(x)` for `self.proj = nn.Linear(…)`."""
    values = values_of(tree, node.func)
    return bool(values) and all(
        isinstance(value, ast.Call)
        and tree.names.of(value.func).startswith(("torch.nn.", "nn."))
        and called(value) not in known.TUPLES
        and called(value)[:1].isupper()
        for value in values
    )


def _has_dim(node: ast.Call, full: str) -> bool:
    """`x.max(1)` returns two tensors, `x.max()` one; `x.topk(3)` two."""
    given = len(node.args) - full.startswith("torch.") + len(node.keywords)
    return called(node) in ("topk", "sort", "aminmax") or given > 0
