"""What a name or an attribute stands for: by what is assigned to it, else by how it is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from compile_doctor.source.assigned import values_of
from compile_doctor.source.code_of import code_of
from compile_doctor.source.trees import Tree, called
from compile_doctor.source.values.results import is_module_call
from compile_doctor.source.vocabulary import BOOL, FUNCTION, MASK, MASKS, NUMBER, REDUCED, TENSOR, VIEWS

if TYPE_CHECKING:
    from compile_doctor.source.values.kinds import Look


def kind(look: Look, node: ast.Name | ast.Attribute) -> str:
    """The kind of what it stands for."""
    tree = look.tree
    values, seen = values_of(tree, node), tree.seen(node)
    given = {MASK if seen.dtype == "torch.bool" else TENSOR} if seen is not None else set()
    if given and not values:
        return given.pop()
    if values and not is_bound_otherwise(tree, node, len(values)):
        inside = look.inside(code_of(node))
        kinds = {inside.kind(value) for value in values} - {"*"} | given
        if kinds and "" not in kinds:
            return TENSOR if kinds == {TENSOR, MASK} else kinds.pop() if len(kinds) == 1 else ""
        if kinds - {"", TENSOR, MASK}:
            return ""
    if isinstance(node, ast.Name):
        return TENSOR if _is_used_as_tensor(tree, node) or _is_row(look, node) else ""
    if node.attr in ("T", "mT", "data", "grad", "real"):
        return look.kind(node.value)
    if code_of(node) == "self.training":
        return BOOL
    full = tree.names.of(node)
    if full.startswith(("torch.", "math.", "numpy.")):
        return FUNCTION if node.attr[:1].islower() and node.attr not in ("pi", "e", "inf") else ""
    if isinstance(node.value, ast.Name) and node.value.id == "self" and _is_registered(tree, node):
        return TENSOR
    return {"ndim": NUMBER, "shape": "shape"}.get(node.attr, "")


def _is_row(look: Look, node: ast.Name) -> bool:
    """`row` of `for row in x`, of a tensor."""
    loops = [
        one
        for one in ast.walk(look.tree.scope(node))
        if isinstance(one, ast.For) and isinstance(one.target, ast.Name) and one.target.id == node.id
    ]
    if not loops or values_of(look.tree, node) or is_bound_otherwise(look.tree, node, len(loops)):
        return False
    inside = look.inside(node.id)
    return all(inside.kind(one.iter) in (TENSOR, MASK) for one in loops)


def is_bound_otherwise(tree: Tree, node: ast.expr, assigned: int) -> bool:
    """Whether a loop, a `with`, an unpacking or an operator also gives the name its value."""
    if not isinstance(node, ast.Name):
        return False
    stores = (one for one in ast.walk(tree.scope(node)) if isinstance(one, ast.Name) and one.id == node.id)
    return sum(not isinstance(one.ctx, ast.Load) and not _is_changed_tensor(tree, one) for one in stores) > assigned


def _is_changed_tensor(tree: Tree, name: ast.Name) -> bool:
    """`x += y`, which leaves a tensor a tensor."""
    return isinstance(tree.parents.get(name), ast.AugAssign)


def _is_registered(tree: Tree, node: ast.Attribute) -> bool:
    owner = tree.around(node, ast.ClassDef)
    calls = (one for one in ast.walk(owner) if isinstance(one, ast.Call)) if owner else iter(())
    return any(
        called(one) in ("register_buffer", "register_parameter")
        and bool(one.args)
        and getattr(one.args[0], "value", None) == node.attr
        for one in calls
    )


def _is_used_as_tensor(tree: Tree, node: ast.Name) -> bool:
    """A name of a function that is annotated as a tensor, or that the function uses as only a tensor can be."""
    function = tree.scope(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_numpy(tree, node):
        return False
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    given = next((one for one in arguments if one.arg == node.id), None)
    if given is not None and given.annotation is not None:
        return code_of(given.annotation).rpartition(".")[2] in ("Tensor", "LongTensor", "FloatTensor")
    return any(isinstance(one, ast.Name) and one.id == node.id and _as_tensor(tree, one) for one in ast.walk(function))


def is_numpy(tree: Tree, node: ast.expr, names: int = 2) -> bool:
    """Whether numpy computes it, as far as the function shows."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and (tree.names.of(one.func).startswith("numpy.") or called(one) == "numpy"):
            return True
        if not isinstance(one, ast.Name) or not names:
            continue
        if any(is_numpy(tree, v, names - 1) for v in (*values_of(tree, one), *_unpacked(tree, one))):
            return True
    return False


def _unpacked(tree: Tree, name: ast.Name) -> Iterator[ast.expr]:
    """What `low, high = …` unpacks into a name."""
    for one in ast.walk(tree.scope(name)):
        if isinstance(one, ast.Assign) and any(isinstance(target, (ast.Tuple, ast.List)) for target in one.targets):
            parts = (part for target in one.targets for part in ast.walk(target))
            if any(isinstance(part, ast.Name) and part.id == name.id for part in parts):
                yield one.value


def _as_tensor(tree: Tree, name: ast.Name) -> bool:
    parent = tree.parents.get(name)
    if isinstance(parent, ast.Attribute):
        return parent.attr in REDUCED | VIEWS | MASKS | {"shape", "device", "dtype", "item", "unbind", "chunk"}
    if isinstance(parent, ast.Subscript) and parent.value is name and isinstance(parent.slice, ast.Tuple):
        return any(isinstance(part, ast.Slice) for part in parent.slice.elts)
    if not isinstance(parent, ast.Call) or parent.func is name or not parent.args or parent.args[0] is not name:
        return False
    return is_module_call(tree, parent) or tree.names.of(parent.func).startswith(("torch.nn.functional.", "F."))
