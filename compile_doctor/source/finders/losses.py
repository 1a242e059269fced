"""A loss of what a mask selects from prediction and target: the same loss of all of them, in which the rest does not count."""

from __future__ import annotations

import ast

from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.value_uses import Tree, called

_WITH_CLASSES = ("cross_entropy", "nll_loss")
_BY_ELEMENT = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


def masked(tree: Tree, call: ast.Call, first: ast.expr) -> dict[str, str]:
    """`lossy`: the statement without indexing, for a loss of `functional` with the same mask in both arguments."""
    statement, name = tree.around(call, ast.stmt), called(call)
    given = [one for one in call.args if isinstance(one, ast.Subscript)]
    if statement is None or len(call.args) != 2 or len(given) != 2 or call.keywords or first is not given[0]:
        return {}
    mask = tree.source(given[0].slice)
    if tree.source(given[1].slice) != mask:
        return {}
    prediction, target = (tree.source(one.value) for one in given)
    function = tree.source(call.func)
    if name in _WITH_CLASSES:
        text = f"{function}({prediction}, torch.where({mask}, {target}, -100))"
    elif name in _BY_ELEMENT:
        text = f'torch.where({mask}, {function}({prediction}, {target}, reduction="none"), 0).sum() / {mask}.sum()'
    else:
        return {}
    alone = isinstance(tree.parents.get(call), (ast.stmt, ast.keyword, ast.Call)) or name in _WITH_CLASSES
    return {"lossy": rewritten(tree, statement, {call: text if alone else f"({text})"})}
