"""What an expression is, as far as its source shows: a tensor, a number, a sequence, …; a guess is never made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.source.value_uses import Tree, called, values_of

TENSOR, MASK, NUMBER, BOOL, TEXT, SEQUENCE, DICT, MODULES, FUNCTION = (
    "tensor",
    "mask",
    "number",
    "bool",
    "text",
    "sequence",
    "dict",
    "modules",
    "function",
)
"""`mask` is a tensor of truth values, `modules` a ModuleList or Sequential."""

_MASKS = frozenset(
    [
        "any",
        "all",
        "isnan",
        "isinf",
        "isfinite",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "logical_and",
        "logical_or",
        "logical_not",
        "logical_xor",
        "isclose",
        "isin",
    ]
)
_REDUCED = frozenset(
    [
        "sum",
        "mean",
        "std",
        "var",
        "norm",
        "prod",
        "median",
        "amax",
        "amin",
        "max",
        "min",
        "argmax",
        "argmin",
        "sqrt",
        "exp",
        "log",
        "abs",
        "square",
        "sigmoid",
        "relu",
        "tanh",
        "softmax",
        "logsumexp",
        "count_nonzero",
        "float",
        "half",
        "double",
        "clamp",
        "round",
        "floor",
        "ceil",
        "sin",
        "cos",
        "rsqrt",
        "reciprocal",
        "neg",
        "matmul",
        "mm",
        "bmm",
        "cumsum",
        "log_softmax",
        "masked_fill",
        "clone",
        "gelu",
        "silu",
        "softplus",
        "sign",
        "trunc",
    ]
)
"""Methods whose result is a new tensor; nothing else that is in a model has them."""
_VIEWS = frozenset(
    [
        "view",
        "reshape",
        "transpose",
        "permute",
        "squeeze",
        "unsqueeze",
        "expand",
        "flatten",
        "contiguous",
        "detach",
        "to",
        "long",
        "int",
        "bool",
        "t",
        "type_as",
        "index_select",
        "gather",
        "select",
        "narrow",
        "repeat",
        "flip",
        "roll",
        "requires_grad_",
    ]
)
_INTEGERS = frozenset(
    ["argmax", "argmin", "count_nonzero", "long", "int", "short", "searchsorted", "bincount", "argsort", "numel"]
)
_OTHERS = {
    SEQUENCE: """list tuple sorted reversed range zip enumerate split chunk unbind tolist split_with_sizes tensor_split
    topk sort max min aminmax ParameterList unique broadcast_tensors meshgrid items keys values""",
    DICT: "dict OrderedDict defaultdict Counter ModuleDict ParameterDict",
    MODULES: "ModuleList Sequential",
    NUMBER: "len int float round item size numel dim ndimension data_ptr element_size ord",
    TEXT: "str repr format join upper lower",
}
_BY_CALL = {name: kind for kind, names in _OTHERS.items() for name in names.split()}
_OF_MODULES_TOO = frozenset(
    ["to", "float", "half", "double", "bfloat16", "type", "cuda", "cpu", "requires_grad_", "eval", "train", "detach_"]
)
"""Methods that return what they were called on, be it a tensor or a module."""
_PARTS = frozenset({"chunk", "split", "unbind", "tensor_split"})
_MADE_OF_MANY = frozenset({"max", "min", "topk", "sort", "unique", "aminmax"})
_TORCH_TEXTS = ("torch.finfo", "torch.iinfo", "torch.Size", "torch.device", "torch.is_", "torch.get_")
_ITSELF = "*"
"""The kind of a name in its own value: `x` in `x = x * 2`."""
_TUPLES = frozenset({"LSTM", "GRU", "RNN", "MultiheadAttention"})


def kind_of(tree: Tree, node: ast.expr, within: frozenset[str] = frozenset()) -> str:
    """One of the kinds above; empty if the source does not show it. `within`: the names whose values are being looked at."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _named(tree, node, within)
    if isinstance(node, ast.Constant):
        return {bool: BOOL, int: NUMBER, float: NUMBER, complex: NUMBER, str: TEXT}.get(type(node.value), "")
    if isinstance(node, ast.Call):
        return _call(tree, node, within)
    if isinstance(node, ast.Compare):
        return _compare(tree, node, within)
    if isinstance(node, ast.BinOp):
        return _calculated(tree, node, within)
    if isinstance(node, ast.UnaryOp):
        return BOOL if isinstance(node.op, ast.Not) else kind_of(tree, node.operand, within)
    if isinstance(node, ast.BoolOp):
        truths = all(is_truth(tree, one) for one in node.values)
        kinds = {kind_of(tree, one, within) for one in node.values}
        return "" if not truths else MASK if MASK in kinds else BOOL if kinds == {BOOL} else ""
    if isinstance(node, ast.IfExp):
        return _common(tree, [node.body, node.orelse], within)
    if isinstance(node, ast.Subscript):
        return _part(tree, node, within)
    if isinstance(node, (ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp, ast.Set)):
        return SEQUENCE
    if isinstance(node, (ast.Dict, ast.DictComp)):
        return DICT
    return TEXT if isinstance(node, ast.JoinedStr) else FUNCTION if isinstance(node, ast.Lambda) else ""


def is_tensor(tree: Tree, node: ast.expr) -> bool:
    """Whether the source shows that it is a tensor."""
    return kind_of(tree, node) in (TENSOR, MASK)


def is_truth(tree: Tree, node: ast.expr) -> bool:
    """Whether it is a truth value: of Python, or of a tensor."""
    if isinstance(node, ast.Compare):
        return len(node.ops) == 1 and not isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.In, ast.NotIn))
    return kind_of(tree, node) in (MASK, BOOL)


def is_whole(tree: Tree, node: ast.expr) -> bool:
    """Whether it is a tensor of integers or truth values, which has no gradient."""
    if isinstance(node, ast.BinOp):
        return all(is_whole(tree, one) for one in (node.left, node.right)) and not isinstance(node.op, ast.Div)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.Compare):
        return is_truth(tree, node)
    if isinstance(node, ast.Name):
        values = values_of(tree, node)
        return bool(values) and all(is_whole(tree, value) for value in values)
    if isinstance(node, ast.Subscript):
        return is_whole(tree, node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if called(node) in _INTEGERS:
            return True
        if called(node) in ("sum", "max", "min", "amax", "amin", "reshape", "view", "squeeze", "clone", "clamp"):
            return is_whole(tree, node.func.value)
    return kind_of(tree, node) in (MASK, BOOL)


def is_fresh(node: ast.expr) -> bool:
    """Whether an expression makes a new tensor; a name, an attribute and a view share the memory of another one."""
    if isinstance(node, ast.Call):
        return (
            called(node) in _REDUCED or called(node) in _MASKS or called(node) in _INTEGERS - {"long", "int", "short"}
        )
    return isinstance(node, (ast.BinOp, ast.Compare))


def elements(tree: Tree, node: ast.expr) -> tuple[ast.expr, ...]:
    """The elements of a list or tuple, of the one that a name stands for, or what a loop appends; none if not all are seen."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return () if any(isinstance(one, ast.Starred) for one in node.elts) else tuple(node.elts)
    if isinstance(node, ast.ListComp):
        return (node.elt,)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in _PARTS:
        return (node.func.value,)  # each part is a tensor if the whole is
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return ()
    values = values_of(tree, node)
    if len(values) != 1 or isinstance(values[0], (ast.Name, ast.Attribute)):
        return ()
    found = [*elements(tree, values[0])]
    for parent in _changes(tree, node):
        if not (isinstance(parent, ast.Call) and called(parent) == "append" and len(parent.args) == 1):
            return ()
        found.append(parent.args[0])
    return tuple(found)


def _changes(tree: Tree, node: ast.expr) -> Iterator[ast.AST]:
    """What changes the list that a name stands for: a call of its methods, an assignment to an element."""
    wanted = ast.dump(node).replace("Store()", "Load()")
    around = tree.scope(node) if isinstance(node, ast.Name) else tree.around(node, ast.ClassDef)
    for one in ast.walk(around or tree.root):
        if isinstance(one, (ast.Attribute, ast.Subscript)) and ast.dump(one.value) == wanted:
            parent = tree.parents.get(one)
            if isinstance(one, ast.Subscript) and not isinstance(one.ctx, ast.Load):
                yield one
            elif isinstance(one, ast.Attribute) and isinstance(parent, ast.Call) and parent.func is one:
                yield parent
        elif isinstance(one, ast.AugAssign) and ast.dump(one.target).replace("Store()", "Load()") == wanted:
            yield one


def has_shape_of(tree: Tree, mask: ast.expr, tensor: ast.expr) -> bool:
    """Whether a mask is a comparison of the tensor itself, element by element: `x > 0`, `x.abs() < t`, `~torch.isnan(x)`."""
    if isinstance(mask, ast.Name) and len(values_of(tree, mask)) == 1:
        return has_shape_of(tree, values_of(tree, mask)[0], tensor)
    if isinstance(mask, ast.UnaryOp):
        return has_shape_of(tree, mask.operand, tensor)
    if isinstance(mask, ast.BinOp):
        return has_shape_of(tree, mask.left, tensor) and has_shape_of(tree, mask.right, tensor)
    if isinstance(mask, ast.Compare) and len(mask.ops) == 1:
        other = mask.comparators[0]
        return _is_elementwise(mask.left, tensor) and (
            isinstance(other, ast.Constant) or _is_elementwise(other, tensor)
        )
    return (
        isinstance(mask, ast.Call) and called(mask) in ("isnan", "isfinite", "isinf") and _is_elementwise(mask, tensor)
    )


def _is_elementwise(node: ast.expr, tensor: ast.expr) -> bool:
    if ast.dump(node) == ast.dump(tensor):
        return True
    if isinstance(node, ast.Call) and called(node) in ("abs", "isnan", "isfinite", "isinf", "square", "exp", "sigmoid"):
        inner = node.args[0] if node.args else getattr(node.func, "value", None)
        return inner is not None and _is_elementwise(inner, tensor)
    return False


def _common(tree: Tree, nodes: list[ast.expr] | tuple[ast.expr, ...], within: frozenset[str]) -> str:
    """The kind that all of them have."""
    kinds = {kind_of(tree, one, within) for one in nodes} - {_ITSELF}
    return TENSOR if kinds == {TENSOR, MASK} else kinds.pop() if len(kinds) == 1 else ""


def _named(tree: Tree, node: ast.Name | ast.Attribute, within: frozenset[str]) -> str:
    name = ast.unparse(node)
    if name in within:
        return _ITSELF
    values = values_of(tree, node)
    if values and not _is_bound_otherwise(tree, node, len(values)):
        kinds = {kind_of(tree, value, within | {name}) for value in values} - {_ITSELF}
        if kinds and "" not in kinds:
            return TENSOR if kinds == {TENSOR, MASK} else kinds.pop() if len(kinds) == 1 else ""
        if kinds - {"", TENSOR, MASK}:
            return ""
    if isinstance(node, ast.Name):
        return TENSOR if _is_used_as_tensor(tree, node) else ""
    if node.attr in ("T", "mT", "data", "grad", "real"):
        return kind_of(tree, node.value, within)
    if ast.unparse(node) == "self.training":
        return BOOL
    full = tree.names.of(node)
    if full.startswith(("torch.", "math.", "numpy.")):
        return FUNCTION if node.attr[:1].islower() and node.attr not in ("pi", "e", "inf") else ""
    if isinstance(node.value, ast.Name) and node.value.id == "self" and _is_registered(tree, node):
        return TENSOR
    return {"ndim": NUMBER, "shape": "shape"}.get(node.attr, "")


def _is_bound_otherwise(tree: Tree, node: ast.expr, assigned: int) -> bool:
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
        return ast.unparse(given.annotation).rpartition(".")[2] in ("Tensor", "LongTensor", "FloatTensor")
    return any(isinstance(one, ast.Name) and one.id == node.id and _as_tensor(tree, one) for one in ast.walk(function))


def is_numpy(tree: Tree, node: ast.expr, names: int = 2) -> bool:
    """Whether numpy computes it, as far as the function shows."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call) and (tree.names.of(one.func).startswith("numpy.") or called(one) == "numpy"):
            return True
        if isinstance(one, ast.Name) and names and any(is_numpy(tree, v, names - 1) for v in values_of(tree, one)):
            return True
    return False


def _as_tensor(tree: Tree, name: ast.Name) -> bool:
    parent = tree.parents.get(name)
    if isinstance(parent, ast.Attribute):
        return parent.attr in _REDUCED | _VIEWS | _MASKS | {"shape", "device", "dtype", "item", "unbind", "chunk"}
    if isinstance(parent, ast.Subscript) and parent.value is name and isinstance(parent.slice, ast.Tuple):
        return any(isinstance(part, ast.Slice) for part in parent.slice.elts)
    if not isinstance(parent, ast.Call) or parent.func is name or not parent.args or parent.args[0] is not name:
        return False
    return _is_module_call(tree, parent) or tree.names.of(parent.func).startswith(("torch.nn.functional.", "F."))


def _is_module_call(tree: Tree, node: ast.Call) -> bool:
    """`self.proj(x)` for `self.proj = nn.Linear(…)`."""
    values = values_of(tree, node.func)
    return bool(values) and all(
        isinstance(value, ast.Call)
        and tree.names.of(value.func).startswith(("torch.nn.", "nn."))
        and called(value) not in _TUPLES
        and called(value)[:1].isupper()
        for value in values
    )


def _call(tree: Tree, node: ast.Call, within: frozenset[str]) -> str:
    name, full = called(node), tree.names.of(node.func)
    if isinstance(node.func, ast.Name) and name in ("bool", "isinstance", "hasattr", "callable"):
        return BOOL
    if isinstance(node.func, ast.Name) and name in ("max", "min", "sum", "abs", "pow"):
        return _common(tree, node.args, within) if len(node.args) > 1 or name == "abs" else ""
    if full.startswith(("torch.cond", "torch.utils.", "torch.cuda.", *_TORCH_TEXTS)):
        return ""
    if name in _BY_CALL and (name not in _MADE_OF_MANY or _has_dim(node, full)):
        return _BY_CALL[name]
    if name in _OF_MODULES_TOO and isinstance(node.func, ast.Attribute):
        return kind_of(tree, node.func.value, within)
    if name in _MASKS and isinstance(node.func, ast.Attribute):
        return MASK
    if full.startswith(("torch.nn.functional.", "F.")) or (full.startswith("torch.") and full.count(".") == 1):
        return TENSOR
    if isinstance(node.func, ast.Attribute):
        if name in _REDUCED or name in _VIEWS or name in _INTEGERS or name in _MADE_OF_MANY:
            return TENSOR
        if _is_module_call(tree, node) or kind_of(tree, node.func.value, within) in (TENSOR, MASK):
            return TENSOR
    return ""


def _has_dim(node: ast.Call, full: str) -> bool:
    """`x.max(1)` returns two tensors, `x.max()` one; `x.topk(3)` two."""
    given = len(node.args) - full.startswith("torch.") + len(node.keywords)
    return called(node) in ("topk", "sort", "aminmax") or given > 0


def _compare(tree: Tree, node: ast.Compare, within: frozenset[str]) -> str:
    if len(node.ops) > 1 or isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.In, ast.NotIn)):
        return BOOL
    kinds = {kind_of(tree, one, within) for one in (node.left, node.comparators[0])}
    return MASK if kinds & {TENSOR, MASK} else BOOL if "" not in kinds else ""


def _calculated(tree: Tree, node: ast.BinOp, within: frozenset[str]) -> str:
    left, right = kind_of(tree, node.left, within), kind_of(tree, node.right, within)
    if TEXT in (left, right):
        return TEXT
    if SEQUENCE in (left, right):
        return SEQUENCE
    if isinstance(node.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
        return MASK if MASK in (left, right) else ""
    if {left, right} & {TENSOR, MASK}:
        return TENSOR
    if _ITSELF in (left, right):
        return _ITSELF
    return NUMBER if {left, right} <= {NUMBER, BOOL} else ""


def _part(tree: Tree, node: ast.Subscript, within: frozenset[str]) -> str:
    kind = kind_of(tree, node.value, within)
    if kind in (TENSOR, MASK):
        return kind
    if kind == "shape":
        return NUMBER
    found = elements(tree, node.value)
    return _common(tree, found, within) if found else ""
