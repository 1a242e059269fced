"""Calls of numpy's functions, and the same with torch's own if there is one with the same meaning."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from compile_doctor.source.finders.calls import arguments
from compile_doctor.source.trees import Tree, called

_IN_TORCH: Mapping[str, str] = {
    "percentile": "torch.quantile({0}, {1} / 100)",
    "quantile": "torch.quantile({0}, {1})",
    "digitize": "torch.bucketize({0}, torch.as_tensor({1}), right=True)",
    "isin": "torch.isin({0}, {1})",
    "in1d": "torch.isin({0}, {1})",
    "trapezoid": "torch.trapezoid({0})",
    "trapz": "torch.trapezoid({0})",
}
"""By numpy's name, for calls with exactly these arguments."""


def of_numpy(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`np-name`, and `torch-call` if torch has the function."""
    full = tree.names.of(node.func) if isinstance(node, ast.Call) else ""
    if not isinstance(node, ast.Call) or not full.startswith("numpy."):
        return None
    words = {"np-name": tree.source(node.func), **arguments(tree, node)}
    written = _IN_TORCH.get(full.removeprefix("numpy."), "")
    if written and not node.keywords and len(node.args) == written.count("{"):
        words["torch-call"] = written.format(*(_tensor(tree, one) for one in node.args))
    return words


def _tensor(tree: Tree, node: ast.expr) -> str:
    """`x` of `x.detach().cpu().numpy()`; else the expression as it is."""
    while isinstance(node, ast.Call) and called(node) in ("numpy", "cpu", "detach") and not node.args:
        assert isinstance(node.func, ast.Attribute)
        node = node.func.value
    return tree.source(node)
