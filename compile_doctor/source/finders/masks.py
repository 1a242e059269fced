"""Indexing with a mask."""

from __future__ import annotations

import ast

from compile_doctor.source.branches import grouped
from compile_doctor.source.finders import losses, selected
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import has_shape_of
from compile_doctor.source.values.shapes import is_known, shape_of


def mask(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    """`x[mask]`, read or (`mask-store`) written."""
    if not isinstance(node, ast.Subscript) or isinstance(node.slice, (ast.Slice, ast.Constant, ast.Tuple)):
        return None
    if isinstance(node.ctx, ast.Store) != (kind == "mask-store"):
        return None
    words = {"tensor": tree.source(node.value), "mask": tree.source(node.slice)}
    words["mask-value"] = grouped(words["mask"], node.slice)
    wide = _widened(tree, node.slice, node.value)
    words |= {"wide": wide} if wide else {}
    parent = tree.parents.get(node)
    reduction = tree.parents.get(parent) if isinstance(parent, ast.Attribute) else None
    if isinstance(reduction, ast.Call):
        words |= reduced(tree, node.value, node.slice, reduction)
        words |= {f"reduced-{called(reduction)}": tree.source(reduction)} if not reduction.args else {}
    if isinstance(parent, ast.Assign) and kind == "mask":
        words |= _named(tree, node)
    if isinstance(parent, ast.Assign) and kind == "mask-store":
        words |= {"stored": words["tensor"], "value": tree.source(parent.value).replace(f"[{words['mask']}]", "")}
    if isinstance(parent, ast.Call):
        words |= losses.masked(tree, parent, node)
    return {**words, **counted(tree, node, words["mask-value"])}


def reduced(tree: Tree, tensor: ast.expr, mask: ast.expr, call: ast.Call) -> dict[str, str]:
    """The statement with a sum or mean of what the mask selects, if the mask has the shape of the tensor, or of its rows."""
    statement, name = tree.around(call, ast.stmt), called(call)
    shape = shape_of(tree, mask)
    same = has_shape_of(tree, mask, tensor) or (shape is not None and shape == shape_of(tree, tensor))
    wide = grouped(tree.source(mask), mask) if same else _widened(tree, mask, tensor)
    rows = [tree.source(one) for one in call.args] == ["0"] and not call.keywords and not same
    if statement is None or not wide or name not in ("sum", "mean") or not (rows or not (call.args or call.keywords)):
        return {}
    if name == "mean" and not same and not rows:
        return {}  # the number of elements is not that of true values
    plain = tree.source(mask) if same else wide
    total = f"torch.where({plain}, {tree.source(tensor)}, 0).sum({'0' if rows else ''})"
    count = f"{grouped(tree.source(mask), mask)}.sum()"
    alone = isinstance(tree.parents.get(call), (ast.stmt, ast.keyword, ast.Call))
    written = total if name == "sum" else f"{total} / {count}" if alone else f"({total} / {count})"
    return {"masked": rewritten(tree, statement, {call: written})}


def _named(tree: Tree, node: ast.Subscript) -> dict[str, str]:
    shape = shape_of(tree, node.slice)
    same = has_shape_of(tree, node.slice, node.value) or (shape is not None and shape == shape_of(tree, node.value))
    plain = tree.source(node.slice) if same else _widened(tree, node.slice, node.value)
    count = f"{grouped(tree.source(node.slice), node.slice)}.sum()"
    return selected.named(tree, node, plain, count, rows=not same) if plain else {}


def _widened(tree: Tree, mask: ast.expr, tensor: ast.expr) -> str:
    """The mask with a dimension of size 1 for each further dimension of the tensor; empty if the shapes are not known."""
    one, two = shape_of(tree, mask), shape_of(tree, tensor)
    if one is None or two is None or not is_known(one) or not is_known(two) or two[: len(one)] != one:
        return ""
    more = len(two) - len(one)
    text = grouped(tree.source(mask), mask)
    return f"{text}[{', '.join([':'] * len(one) + ['None'] * more)}]" if more else tree.source(mask)


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
