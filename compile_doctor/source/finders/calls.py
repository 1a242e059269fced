"""Calls of a function or method by its name, with their arguments."""

from __future__ import annotations

import ast
from math import prod

from compile_doctor.source.branches import grouped
from compile_doctor.source.conversion import Conversion
from compile_doctor.source.finders import masks, sorting
from compile_doctor.source.rewriting import rewritten
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import is_tensor
from compile_doctor.source.values.shapes import shape_of


def named(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    """`call:NAME`: the call of a function or method of that name."""
    name = kind.removeprefix("call:")
    if not isinstance(node, ast.Call) or called(node) != name:
        return None
    words = {"function": tree.source(node.func), **arguments(tree, node)}
    texts = [tree.source(arg) for arg in node.args]
    twice = next((text for number, text in enumerate(texts) if text in texts[:number]), "")
    if twice:
        again = [text if text not in texts[:number] else f"{text}.clone()" for number, text in enumerate(texts)]
        words |= {"twice": twice, "distinct": f"{tree.source(node.func)}({', '.join(again)})"}
    subject = node.func.value if isinstance(node.func, ast.Attribute) else None
    method = subject is not None and words.get("arg0") == tree.source(subject)
    of = grouped(words["arg0"], subject) if subject is not None and method else words.get("arg0", "")
    words |= masks.counted(tree, node, of)
    words |= sorting.by_value(tree, node) if name in ("sorted", "max", "min") else {}
    attribute = tree.parents.get(node)
    reduction = tree.parents.get(attribute) if isinstance(attribute, ast.Attribute) else None
    if name == "masked_select" and isinstance(reduction, ast.Call):
        parts = [subject, *node.args] if method and subject is not None else list(node.args)
        words |= masks.reduced(tree, parts[-2], parts[-1], reduction) if len(parts) == 2 else {}
    words |= _compared(tree, node) if name in ("equal", "allclose") else {}
    words |= _copied(tree, node) if name == "deepcopy" else {}
    words |= _resized(tree, node) if name == "resize_" else {}
    words["open"] = tree.source(node)[:-1] if node.args or node.keywords else ""
    statement = tree.parents.get(node)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        words["target"] = statement.targets[0].id
    inner = node.args[0] if node.args else None
    if isinstance(inner, ast.Call) and called(inner) == "items" and isinstance(inner.func, ast.Attribute):
        words["items-of"] = tree.source(inner.func.value)
    return words


def arguments(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`arg0`, `arg1`, … and `kw-NAME` of a call; a method's receiver is `arg0`, as in the function of that name."""
    given: list[ast.expr] = [arg for arg in call.args if not isinstance(arg, ast.Starred)]
    if isinstance(call.func, ast.Attribute) and not _is_module(tree, call.func.value):
        given.insert(0, call.func.value)
    words = {f"arg{number}": tree.source(arg) for number, arg in enumerate(given)}
    words["args"] = ", ".join(tree.source(arg) for arg in call.args)
    words |= {f"kw-{one.arg}": tree.source(one.value) for one in call.keywords if one.arg}
    return words


def _is_module(tree: Tree, node: ast.expr) -> bool:
    first = tree.source(node).partition(".")[0]
    return first in tree.names.bound or first in ("torch", "np", "numpy", "F", "nn", "math", "random")


def packed(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """A call in a function that packs sequences; the words are of the packing."""
    if not isinstance(node, ast.Call):
        return None
    calls = (one for one in ast.walk(tree.scope(node)) if isinstance(one, ast.Call))
    packing = next((one for one in calls if called(one) in ("pack_padded_sequence", "pack_sequence")), None)
    return arguments(tree, packing) if packing is not None else None


def _compared(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`torch.equal(a, b)` and `torch.allclose(a, b)` as a 0-d tensor, with all that depends on it."""
    statement = tree.around(call, ast.stmt)
    given = [*call.args] if _is_module(tree, call.func) else [getattr(call.func, "value", call.func), *call.args]
    if len(given) < 2 or not isinstance(statement, ast.stmt):
        return {}
    rest = tree.source(call)[len(tree.source(call.func)) :]
    text = f"{tree.source(call.func).removesuffix('allclose')}isclose{rest}.all()"
    one, two = (shape_of(tree, each) for each in given[:2])
    if called(call) == "equal":
        first, second = (grouped(tree.source(each), each) for each in given[:2])
        text = f"({first} == {second}).all()"
        if one is None or one != two:
            return {"equal": text}
    attempt = Conversion(tree, statement)
    return {"converted": attempt.lines()} if attempt.put(call, text, is_number=True) else {"equal": text}


def _copied(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`copy.deepcopy(x)` of a tensor."""
    statement = tree.around(call, ast.stmt)
    if len(call.args) != 1 or not isinstance(statement, ast.stmt) or not is_tensor(tree, call.args[0]):
        return {}
    return {
        "converted": rewritten(tree, statement, {call: f"{grouped(tree.source(call.args[0]), call.args[0])}.clone()"})
    }


def _resized(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`y.resize_(2, 4)` of a tensor that has the elements."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    sizes = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, int)]
    alone = isinstance(tree.parents.get(call), ast.Expr)
    if not isinstance(owner, ast.Name) or len(sizes) != len(call.args) or not sizes or not alone:
        return {}
    return {"owner": owner.id, "count": str(prod(sizes))}
