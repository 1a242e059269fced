"""What the line of a graph break does, from its syntax tree: which expression reads a value, and the words for a fix.

Torch's reason states the operator. The line has the user's own expressions, and the lines after it how the value is used.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from compile_doctor.source import draws
from compile_doctor.source.branches import branches, grouped
from compile_doctor.source.constants import constant_buffer
from compile_doctor.source.conversion import Conversion, is_read
from compile_doctor.source.rewriting import rewritten, statement_of
from compile_doctor.source.value_uses import Tree, Use, called, tree_of, uses_of, values_of
from compile_doctor.source.values import elements, has_shape_of, is_tensor, kind_of
from compile_doctor.source.vocabulary import MASK, NUMBER, TENSOR

LONGEST = 160
"""Characters of an expression that a fix quotes."""
_CONVERSIONS = {"int": "{}.long()", "float": "{}", "complex": "{}", "round": "{}.round()", "bool": "{}.bool()"}
_ATTENTION = ("attention", "flash_attn", "softmax", "attend")


@dataclass(frozen=True)
class Reading:
    """One expression of the line."""

    kind: str
    """`item`, `tolist`, `int`, `truth`, `slice`, `mask`, …, or `call:NAME` for the call of a function."""
    use: str
    """What its value is used for, as in source/value_uses.py; empty if nothing was found."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Words for a fix: `tensor`, `call`, `line`, `plain` (the line without the read), `in`, `container`, …"""


def readings(text: str, line: int, kinds: Iterable[str]) -> tuple[Reading, ...]:
    """The expressions of these kinds in the statement at a line, in the order of `kinds`."""
    return tuple(reading for kind in kinds for reading in _readings(text, line, kind))


def called_at(text: str, line: int) -> str:
    """The function that the statement at a line calls first: `propagate`, or `self.encoder.forward` of a module."""
    tree = tree_of(text)
    statement = tree.statement(line) if tree else None
    calls = (node for node in _expressions(statement) if isinstance(node, ast.Call)) if statement else iter(())
    found = next(calls, None)
    if tree is None or found is None:
        return ""
    module = any(isinstance(value, ast.Call) for value in values_of(tree, found.func))
    return tree.source(found.func) + (".forward" if module and isinstance(found.func, ast.Attribute) else "")


@lru_cache(maxsize=512)
def _readings(text: str, line: int, kind: str) -> tuple[Reading, ...]:
    tree = tree_of(text)
    statement = tree.statement(line) if tree else None
    if tree is None or statement is None or isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return ()
    nodes = sorted(_expressions(statement), key=lambda node: getattr(node, "lineno", 0) != line)
    try:
        if kind == "truth":
            return tuple(Reading(kind, use, words) for use, words in branches(tree, statement, nodes))
        return tuple(found for node in nodes for found in [_reading(tree, statement, node, kind)] if found)
    except RecursionError:  # a line that is nested too deeply to be written again
        return ()


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement, without those of the statements inside of it."""
    waiting: list[ast.AST] = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.expr):
            yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def _reading(tree: Tree, statement: ast.stmt, node: ast.expr, kind: str) -> Reading | None:
    found = _FINDERS.get(kind, _other_call)(tree, node, kind)
    if found is None:
        return None
    uses = uses_of(tree, node)
    use = uses[0] if uses else None
    words = {**_common(tree, statement, node, use), **found}
    words |= _of_use(tree, node, use, words) if use is not None else {}
    words |= constant_buffer(tree, node) or {}
    if isinstance(node, ast.Call) and kind in ("item", "int", "float", "round", "math"):
        words |= _converted(tree, statement, node)
    short = {name: word for name, word in words.items() if word and (len(word) <= LONGEST or name == "converted")}
    return Reading(kind, use.kind if use else "", short)


def _converted(tree: Tree, statement: ast.stmt, node: ast.Call) -> dict[str, str]:
    """`converted`: the user's code without the read; `traced`: torch can trace the number as a symbol instead."""
    reads = _reads(tree, statement, node)
    attempt = Conversion(tree, statement)
    words = {"converted": ""}
    if attempt.convert(reads):
        both = Conversion(tree, statement)
        too = _read_too(tree, attempt, reads)
        words["converted"] = (both if too and both.convert([*reads, *too]) else attempt).lines()
    around = tree.around(node, ast.ClassDef)
    bases = [tree.names.of(base) for base in around.bases] if isinstance(around, ast.ClassDef) else []
    may = is_read(node) and not any(base.endswith("autograd.Function") for base in bases)
    words["traced"] = "yes" if may and Conversion(tree, statement, symbol=True).convert(reads) else ""
    return words


def _reads(tree: Tree, statement: ast.stmt, node: ast.Call) -> list[ast.expr]:
    """The expressions of the statement from which a number is read: each of them would break the graph."""
    calls = [one for one in _expressions(statement) if isinstance(one, ast.Call)]
    found: list[ast.expr] = [one for one in calls if one is node or (is_read(one) and _is_of_tensor(tree, one))]
    found = [_implied(one) if isinstance(one, ast.Call) and not is_read(one) else one for one in found]
    inner = {inside for one in found for inside in ast.walk(one) if inside is not one}
    return [one for one in found if one not in inner]


def _read_too(tree: Tree, attempt: Conversion, reads: list[ast.expr]) -> list[ast.expr]:
    """Other numbers that are read before and used in a statement that changes: it is changed once, for all of them."""
    found: list[ast.expr] = []
    for statement in {statement_of(tree, node) for node in attempt.edits}:
        for name in ast.walk(statement):
            values = values_of(tree, name) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load) else ()
            for value in values if len(values) == 1 else ():
                for one in ast.walk(value):
                    if (
                        isinstance(one, ast.Call)
                        and called(one) == "item"
                        and is_read(one)
                        and one not in (*reads, *found)
                    ):
                        found.append(one)
    return found


def _implied(call: ast.Call) -> ast.expr:
    """`t` of `round(t)` and `math.sqrt(t)`, which read it."""
    return call.args[0] if call.args else call


def _is_of_tensor(tree: Tree, call: ast.Call) -> bool:
    return called(call) == "item" or (bool(call.args) and is_tensor(tree, call.args[0]))


def _math(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """`math.sqrt(t)` of a tensor, which Python turns into a number."""
    if not isinstance(node, ast.Call) or not tree.names.of(node.func).startswith("math."):
        return None
    value = node.args[0] if len(node.args) == 1 else None
    return {"tensor": tree.source(value)} if value is not None and is_tensor(tree, value) else None


def _common(tree: Tree, statement: ast.stmt, node: ast.expr, use: Use | None) -> dict[str, str]:
    words = {"call": tree.source(node), "line": tree.head(statement)}
    if isinstance(statement, ast.Expr):
        words["alone"] = words["line"]
    if use is not None:
        words["in"] = tree.source(use.node) if isinstance(use.node, ast.expr) else tree.head(use.node)
        words["container"] = tree.source(use.container) if use.container is not None else ""
        kinds = {kind_of(tree, one) for one in elements(tree, use.container)} if use.container is not None else set()
        if kinds == {NUMBER}:
            words["numbers"] = words["container"]
        elif kinds and kinds <= {TENSOR, MASK}:
            words["tensors"] = words["container"]
    return words


def _of_use(tree: Tree, node: ast.expr, use: Use, words: Mapping[str, str]) -> dict[str, str]:
    """Words of a later line: the slice that the value bounds, the function of `math` that gets it."""
    if use.kind == "slice" and isinstance(use.node, ast.Subscript):
        found = _slice(tree, use.node, "") or {}
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


def _plain(tree: Tree, node: ast.expr, instead: ast.expr, wrap: str = "{}") -> dict[str, str]:
    """The statement with `instead` for the whole expression: `x * x.sum()` for `x * x.sum().item()`."""
    statement = tree.around(node, ast.stmt)
    assert statement is not None
    simple = isinstance(instead, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant))
    inside = tree.source(instead) if simple else f"({tree.source(instead)})"
    return {
        "tensor": wrap.format(inside),
        "plain": tree.head(statement).replace(tree.source(node), wrap.format(inside)),
        "kept": tree.head(statement).replace(tree.source(node), inside),
    }


def _method(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    names = ("tolist", "to_list") if kind == "tolist" else (kind,)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
        return _plain(tree, node, node.func.value)
    return None


def _conversion(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == kind):
        return None
    value = node.args[0] if len(node.args) == 1 else None
    if value is None or isinstance(value, ast.Constant):
        return None
    known = isinstance(value, ast.Call) and called(value) in ("len", "item")
    return None if known else _plain(tree, node, value, _CONVERSIONS[kind])


def _slice(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
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
            if words.get("length"):
                words["indexed"] = tree.head(_statement(tree, node)).replace(
                    tree.source(node), f"{words['tensor']}[{words['positions']}]"
                )
            return words
    return None


def _statement(tree: Tree, node: ast.AST) -> ast.AST:
    return tree.around(node, ast.stmt) or node


def _distance(tree: Tree, lower: ast.expr, upper: ast.expr) -> ast.expr | None:
    """`n` for the bounds `a` and `a + n`, also if `a + n` has a name."""
    for value in (upper, *values_of(tree, upper)):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            if ast.dump(value.left) == ast.dump(lower):
                return value.right
            if ast.dump(value.right) == ast.dump(lower):
                return value.left
    return None


def _mask(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
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
        words |= _reduced(tree, node.value, node.slice, reduction)
        words |= {f"reduced-{called(reduction)}": tree.source(reduction)} if not reduction.args else {}
    if isinstance(parent, ast.Assign) and kind == "mask-store":
        words |= {"stored": words["tensor"], "value": tree.source(parent.value).replace(f"[{words['mask']}]", "")}
    return {**words, **_counted(tree, node, words["mask-value"])}


def _reduced(tree: Tree, tensor: ast.expr, mask: ast.expr, call: ast.Call) -> dict[str, str]:
    """The statement with a sum or mean over all elements of the mask, if the mask visibly has the shape of the tensor."""
    statement = tree.around(call, ast.stmt)
    if call.args or call.keywords or statement is None or not has_shape_of(tree, mask, tensor):
        return {}
    total = f"torch.where({tree.source(mask)}, {tree.source(tensor)}, 0).sum()"
    written = {"sum": total, "mean": f"({total} / {grouped(tree.source(mask), mask)}.sum())"}.get(called(call))
    return {"masked": rewritten(tree, statement, {call: written})} if written else {}


def _packed(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """A call in a function that packs sequences; the words are of the packing."""
    if not isinstance(node, ast.Call):
        return None
    calls = (one for one in ast.walk(tree.scope(node)) if isinstance(one, ast.Call))
    packing = next((one for one in calls if called(one) in ("pack_padded_sequence", "pack_sequence")), None)
    return arguments(tree, packing) if packing is not None else None


def _counted(tree: Tree, node: ast.expr, of: str) -> dict[str, str]:
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


def _random(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
    if not isinstance(node, ast.Call) or not draws.is_draw(tree, node, kind):
        return None
    words = {"function": tree.source(node.func), f"draws-{called(node)}": "yes", **arguments(tree, node)}
    statement = tree.around(node, ast.stmt)
    drawn = draws.by_torch(tree, node, kind)
    whole = draws.array_by_torch(tree, node)
    if isinstance(statement, ast.stmt) and (drawn or whole):
        attempt = Conversion(tree, statement)
        if attempt.put(*(whole or (node, drawn)), is_number=whole is None):
            words["converted"] = attempt.lines()
    return words


def _drawn(tree: Tree, node: ast.expr, _: str) -> dict[str, str] | None:
    """A name that stands for a random number of Python or numpy."""
    values = values_of(tree, node) if isinstance(node, ast.Name) else ()
    found = [value for value in values if any(draws.is_draw(tree, value, kind) for kind in draws.MODULES)]
    return {"drawn": tree.source(found[0])} if found and len(found) == len(values) else None


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


def _other_call(tree: Tree, node: ast.expr, kind: str) -> dict[str, str] | None:
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
    words |= _counted(tree, node, of)
    words |= _sorted(tree, node) if name in ("sorted", "max", "min") else {}
    attribute = tree.parents.get(node)
    reduction = tree.parents.get(attribute) if isinstance(attribute, ast.Attribute) else None
    if name == "masked_select" and isinstance(reduction, ast.Call):
        parts = [subject, *node.args] if method and subject is not None else list(node.args)
        words |= _reduced(tree, parts[-2], parts[-1], reduction) if len(parts) == 2 else {}
    inner = node.args[0] if node.args else None
    if isinstance(inner, ast.Call) and called(inner) == "items" and isinstance(inner.func, ast.Attribute):
        words["items-of"] = tree.source(inner.func.value)
    return words


def _sorted(tree: Tree, call: ast.Call) -> dict[str, str]:
    """`sorted(rows, key=lambda row: row.norm())`, max and min, of a list of tensors."""
    statement = tree.around(call, ast.stmt)
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


_FINDERS: Mapping[str, Callable[[Tree, ast.expr, str], dict[str, str] | None]] = {
    "tolist": _method,
    "item": _method,
    **dict.fromkeys(_CONVERSIONS, _conversion),
    "math": _math,
    "drawn": _drawn,
    "slice": _slice,
    "packed": _packed,
    "mask": _mask,
    "mask-store": _mask,
    **dict.fromkeys(draws.MODULES, _random),
}
