"""`sorted`, `max` and `min` of tensors."""

from __future__ import annotations

import ast

from compile_doctor.source.code_of import code_of
from compile_doctor.source.rewriting import changed_lines, rewritten
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values import elements, is_tensor, kind_of
from compile_doctor.source.vocabulary import MASK, TENSOR


def by_value(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`sorted(rows, key=lambda row: row.norm())`, max and min, of a list of tensors."""
    statement = tree.around(call, ast.stmt)
    assert isinstance(statement, ast.stmt)
    given = {one.arg: one.value for one in call.keywords}
    if (
        not isinstance(call.func, ast.Name)
        or len(call.args) != 1
        or statement is None
        or set(given) - {"key", "reverse"}
    ):
        return {}
    reverse = given.get("reverse", ast.Constant(False))
    if not isinstance(reverse, ast.Constant):
        return {}
    positions = _positions(tree, call, bool(reverse.value))
    if positions:
        edits = _taken(tree, statement, call)
        if edits is None:
            return {}
        notes: dict[ast.AST, str] = {statement: "a tensor of positions"}
        return {"converted": "\n".join(changed_lines(tree, statement, {call: positions, **edits}, notes))}
    kinds = {kind_of(tree, one) for one in elements(tree, call.args[0])}
    if not kinds or not kinds <= {TENSOR, MASK}:
        return {}
    items, key = tree.source(call.args[0]), given.get("key")
    stacked = f"torch.stack(tuple({items}))"
    if isinstance(key, ast.Lambda):
        keys = f"torch.stack([{tree.source(key.body)} for {tree.source(key.args)} in {items}])"
    else:
        keys = f"torch.stack([{tree.source(key)}(each) for each in {items}])" if key is not None else stacked
    order = f"argsort(descending={bool(reverse.value)}, stable=True)"
    text = f"list({stacked}[{keys}.{order}].unbind(0))"
    if call.func.id != "sorted":
        text = f"{stacked}[{keys}.arg{call.func.id}().reshape(1)][0]"
    return {
        "converted": f"{rewritten(tree, statement, {call: text})}\n# The elements need one shape, and the keys one number each"
    }


def _positions(tree: Tree, call: ast.Call, descending: bool) -> str:
    """`sorted(range(n), key=lambda i: s[i])`: `s[:n].argsort()`."""
    items = call.args[0]
    key = next((one.value for one in call.keywords if one.arg == "key"), None)
    if not (isinstance(items, ast.Call) and called(items) == "range" and len(items.args) == 1):
        return ""
    if not isinstance(key, ast.Lambda) or len(key.args.args) != 1:
        return ""
    body, negative = key.body, False
    while not isinstance(body, ast.Subscript):
        negative ^= isinstance(body, ast.UnaryOp) and isinstance(body.op, ast.USub)
        read = isinstance(body, ast.Call) and called(body) in ("item", "float", "int")
        if isinstance(body, ast.UnaryOp):
            body = body.operand
        elif read and isinstance(body, ast.Call):
            body = body.func.value if isinstance(body.func, ast.Attribute) else body.args[0]
        else:
            return ""
    same = isinstance(body.slice, ast.Name) and body.slice.id == key.args.args[0].arg
    if not same or not is_tensor(tree, body.value):
        return ""
    values, size = tree.source(body.value), tree.source(items.args[0])
    values = values if size in (f"len({values})", f"{values}.shape[0]") else f"{values}[: {size}]"
    if called(call) != "sorted":
        return f"{values}.arg{'min' if negative == (called(call) == 'max') else 'max'}()"
    return f"{values}.argsort(descending={descending != negative}, stable=True)"


def _taken(tree: Tree, statement: ast.AST, call: ast.Call) -> dict[ast.AST, str] | None:
    """What becomes of the lines that read the positions: `x[order]` stays, `[x[i] for i in order]` is `list(x[order])`."""
    if (
        not isinstance(statement, ast.Assign)
        or statement.value is not call
        or not isinstance(statement.targets[0], ast.Name)
    ):
        return {} if isinstance(tree.parents.get(call), ast.Subscript) else None
    name, edits = statement.targets[0].id, dict[ast.AST, str]()
    for one in ast.walk(tree.scope(statement)):
        if not isinstance(one, ast.Name) or one.id != name or not isinstance(one.ctx, ast.Load):
            continue
        parent = tree.parents.get(one)
        if isinstance(parent, ast.Subscript) and parent.slice is one and is_tensor(tree, parent.value):
            continue
        listed = tree.parents.get(parent) if isinstance(parent, ast.comprehension) else None
        if not isinstance(listed, ast.ListComp) or len(listed.generators) > 1 or listed.generators[0].ifs:
            return None
        row, element = listed.generators[0].target, listed.elt
        same = isinstance(element, ast.Subscript) and code_of(element.slice) == code_of(row)
        if not same or not isinstance(element, ast.Subscript) or not is_tensor(tree, element.value):
            return None
        edits[listed] = f"list({tree.source(element.value)}[{name}])"
    return edits
