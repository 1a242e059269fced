"""Slices that a tensor's value bounds."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from compile_doctor.source.assigned import values_of
from compile_doctor.source.conversion import Conversion
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.value_uses import Use
from compile_doctor.source.values import is_tensor
from compile_doctor.source.values.results import is_module_call

_ATTENTION = ("attention", "flash_attn", "softmax", "attend")


def bounded(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`x[:, start:end]`: the bounds, and the number of elements if it does not depend on the start."""
    if not isinstance(node, ast.Subscript):
        return None
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for part in parts:
        bounds = [one for one in (part.lower, part.upper) if one is not None] if isinstance(part, ast.Slice) else []
        if isinstance(part, ast.Slice) and any(not isinstance(one, (ast.Constant, ast.UnaryOp)) for one in bounds):
            index = tree.source(node.slice)
            words = {"tensor": tree.source(node.value), "positions": index.replace(tree.source(part), "at")}
            words["dim"] = str(parts.index(part))
            words["stored"] = "yes" if isinstance(node.ctx, ast.Store) else ""
            if part.lower is not None and part.upper is not None:
                length = _distance(tree, part.lower, part.upper)
                words |= {"start": tree.source(part.lower), "length": tree.source(length) if length else ""}
            elif part.upper is not None:
                words["end"] = tree.source(part.upper)
            words |= _fed(tree, node) | _bounded_by(tree, node, part)
            if words.get("length"):
                words["indexed"] = tree.head(_statement(tree, node)).replace(
                    tree.source(node), f"{words['tensor']}[{words['positions']}]"
                )
            return words
    return None


def _distance(tree: Tree, lower: ast.expr, upper: ast.expr) -> ast.expr | None:
    """`n` for the bounds `a` and `a + n`, also if `a + n` has a name."""
    for value in (upper, *values_of(tree, upper)):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            if ast.dump(value.left) == ast.dump(lower):
                return value.right
            if ast.dump(value.right) == ast.dump(lower):
                return value.left
    return None


def of_use(tree: Tree, node: ast.expr, use: Use, words: Mapping[str, str]) -> dict[str, str]:
    """Words of a later line: the slice that the value bounds, the function of `math` that gets it."""
    if use.kind == "slice" and isinstance(use.node, ast.Subscript):
        found = bounded(tree, use.node, "") or {}
        found["sliced"] = found.pop("tensor", "")
        same = _statement(tree, use.node) is _statement(tree, node)
        found |= {"same-line" if same else "assigned": words.get("plain", "")}
        loop = tree.around(use.node, (ast.For, ast.ListComp, ast.GeneratorExp))
        inside = tree.source(loop) if loop is not None else ""
        found["looped"] = "yes" if loop is not None else ""
        found["attended"] = "yes" if any(word in inside for word in _ATTENTION) else ""
        causal = "causal" in inside and "causal=False" not in inside
        found["rule"] = "(document[i] == document[j]) & (i >= j)" if causal else "document[i] == document[j]"
        tensor = words.get("tensor", "")
        found |= _packed_parts(tensor, inside, use.node)
        return {name: text.replace(words["call"], tensor) for name, text in found.items()}
    return {}


def _packed_parts(tensor: str, loop: str, node: ast.Subscript) -> dict[str, str]:
    """`boundaries` of parts (`cu[:-1]` with `cu[1:]`) or their `lengths`, if the loop shows which of the two they are."""
    boundaries = tensor.removesuffix("[:-1]").removesuffix("[1:]")
    shifted = re.search(r"zip\(([\w.]+)(?:\[:-1\])?(?:\.\w+\(\))?, \1\[1:\]", loop)
    if (boundaries != tensor and f"{boundaries}[1:]" in loop) or shifted or "pairwise(" in loop:
        return {"boundaries": boundaries}
    part = next((one for one in ast.walk(node.slice) if isinstance(one, ast.Slice)), None)
    if part is None or part.upper is None or "zip(" in loop:
        return {}
    ends = isinstance(part.upper, ast.Name) if part.lower is None else isinstance(part.upper, ast.BinOp)
    return {"lengths": tensor} if ends and loop else {}


def _statement(tree: Tree, node: ast.AST) -> ast.AST:
    return tree.around(node, ast.stmt) or node


def _bounded_by(tree: Tree, node: ast.Subscript, part: ast.Slice) -> dict[str, str]:
    """`converted`: the code with a mask or an index of fixed size, if tensors are the bounds themselves."""
    statement = tree.around(node, ast.stmt)
    bounds = [one for one in (part.lower, part.upper) if one is not None and is_tensor(tree, one)]
    if not bounds or not isinstance(statement, ast.stmt):
        return {}
    attempt = Conversion(tree, statement)
    return {"converted": attempt.lines()} if attempt.convert(list(bounds)) else {}


def _fed(tree: Tree, node: ast.Subscript) -> dict[str, str]:
    """`self.emb(ids[:n])`: a module gets the slice, so a mask of its argument would be other ids, not fewer."""
    call = tree.parents.get(node)
    if not isinstance(call, ast.Call) or node not in call.args or not isinstance(call.func, ast.Attribute):
        return {}
    if not is_module_call(tree, call) and called(call) not in ("embedding", "embedding_bag"):
        return {}
    return {"fed": tree.source(call), "fed-whole": tree.source(call, {node: tree.source(node.value)})}
