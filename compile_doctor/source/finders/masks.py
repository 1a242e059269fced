"""Indexing with a mask."""

from __future__ import annotations

import ast

from compile_doctor.source.branches import grouped
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.value_uses import Tree, called
from compile_doctor.source.values import has_shape_of


def mask(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    """`x[mask]`, read or (`mask-store`) written."""
    if not isinstance(node, ast.Subscript) or isinstance(node.slice, (ast.Slice, ast.Constant, ast.Tuple)):
        return None
    if isinstance(node.ctx, ast.Store) != (kind == "mask-store"):
        return None
    words = {"tensor": tree.source(node.value), "mask": tree.source(node.slice)}
    words["mask-value"] = grouped(words["mask"], node.slice)
    parent = tree.parents.get(node)
    reduction = tree.parents.get(parent) if isinstance(parent, ast.Attribute) else None
    if isinstance(reduction, ast.Call):
        words |= reduced(tree, node.value, node.slice, reduction)
        words |= {f"reduced-{called(reduction)}": tree.source(reduction)} if not reduction.args else {}
    if isinstance(parent, ast.Assign) and kind == "mask-store":
        words |= {"stored": words["tensor"], "value": tree.source(parent.value).replace(f"[{words['mask']}]", "")}
    return {**words, **counted(tree, node, words["mask-value"])}


def reduced(tree: Tree, tensor: ast.expr, mask: ast.expr, call: ast.Call) -> dict[str, str]:
    """The statement with a sum or mean over all elements of the mask, if the mask visibly has the shape of the tensor."""
    statement = tree.around(call, ast.stmt)
    if call.args or call.keywords or statement is None or not has_shape_of(tree, mask, tensor):
        return {}
    total = f"torch.where({tree.source(mask)}, {tree.source(tensor)}, 0).sum()"
    written = {"sum": total, "mean": f"({total} / {grouped(tree.source(mask), mask)}.sum())"}.get(called(call))
    return {"masked": rewritten(tree, statement, {call: written})} if written else {}


def counted(tree: Tree, node: ast.expr, of: str) -> dict[str, str]:
    """`x.nonzero().shape[0]`, `x.nonzero().numel()`, `len(x.nonzero())`: only the number of elements is wanted."""
    parent = tree.parents.get(node)
    around = tree.parents.get(parent) if isinstance(parent, ast.Attribute) else parent
    if isinstance(parent, ast.Call) and called(parent) == "len":
        return {"counted": tree.source(parent), "counted-of": of}
    if isinstance(parent, ast.Attribute) and parent.attr in ("shape", "size", "numel"):
        first = isinstance(around, ast.Subscript) and tree.source(around.slice) == "0"
        if first or (isinstance(around, ast.Call) and (parent.attr != "size" or tree.source(around).endswith("(0)"))):
            return {"counted": tree.source(around), "counted-of": of} if around is not None else {}
    return {}
