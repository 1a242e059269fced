"""A loss of what a mask selects from prediction and target: the same loss of all of them, in which the rest does not count."""

from __future__ import annotations

import ast

from compile_doctor.source.assigned import values_of
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called

_WITH_CLASSES = ("cross_entropy", "nll_loss")
_BY_ELEMENT = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


_MODULES = {
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll_loss",
    "MSELoss": "mse_loss",
    "L1Loss": "l1_loss",
    "SmoothL1Loss": "smooth_l1_loss",
    "HuberLoss": "huber_loss",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
}
"""Modules without settings of their own, by the function that they call."""


def masked(tree: Tree, call: ast.Call, first: ast.expr) -> dict[str, str]:
    """`lossy`: the statement without indexing, for a loss of `functional` with the same mask in both arguments."""
    statement, name = tree.around(call, ast.stmt), called(call)
    given = [_indexed(one) for one in call.args]
    if statement is None or len(call.args) != 2 or call.keywords or first is not given[0]:
        return {}
    if given[0] is None or given[1] is None:
        return {}
    mask = tree.source(given[0].slice)
    if tree.source(given[1].slice) != mask:
        return {}
    prediction, target = (
        tree.source(one, {part: tree.source(part.value)}) for one, part in zip(call.args, given, strict=True) if part
    )
    function = tree.source(call.func)
    made = [
        called(one)
        for one in values_of(tree, call.func)
        if isinstance(one, ast.Call) and not one.args and not one.keywords
    ]
    if len(made) == 1 and made[0] in _MODULES:  # self.loss = nn.MSELoss()
        name, function = _MODULES[made[0]], f"F.{_MODULES[made[0]]}"
    if name in _WITH_CLASSES:
        text = f"{function}({prediction}, torch.where({mask}, {target}, -100))"
    elif name in _BY_ELEMENT:
        text = f'torch.where({mask}, {function}({prediction}, {target}, reduction="none"), 0).sum() / {mask}.sum()'
    else:
        return {}
    alone = isinstance(tree.parents.get(call), (ast.stmt, ast.keyword, ast.Call)) or name in _WITH_CLASSES
    return {"lossy": rewritten(tree, statement, {call: text if alone else f"({text})"})}


def _indexed(node: ast.expr) -> ast.Subscript | None:
    """`t[m]` of `t[m]` and `t[m].float()`."""
    inner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
    return inner if isinstance(inner, ast.Subscript) else None
