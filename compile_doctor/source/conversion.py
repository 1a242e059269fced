"""Whether the code around a number works with the tensor that it was read from, and what it has to look like then.

A fix is made only if every use of the value was followed to its end and takes a tensor, as it is or written differently.
The rest of the user's expressions stays. Nothing is assumed: what the source does not show ends the search.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from compile_doctor.source import conditions
from compile_doctor.source.rewriting import changed_lines, rewritten, statement_of
from compile_doctor.source.value_uses import Tree, called, values_of
from compile_doctor.source.values import (
    DICT,
    FUNCTION,
    MASK,
    MODULES,
    NUMBER,
    SEQUENCE,
    TENSOR,
    TEXT,
    elements,
    is_fresh,
    is_numpy,
    is_tensor,
    is_truth,
    is_whole,
    kind_of,
)

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_TAKES_A_TENSOR = frozenset(
    [
        "add",
        "add_",
        "sub",
        "sub_",
        "mul",
        "mul_",
        "div",
        "div_",
        "pow",
        "true_divide",
        "floor_divide",
        "remainder",
        "fmod",
        "lerp",
        "fill_",
        "masked_fill",
        "masked_fill_",
        "where",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "clamp",
        "clamp_",
        "clip",
        "clamp_min",
        "clamp_max",
        "full",
        "index_fill",
        "rsub",
        "multiply",
        "divide",
        "subtract",
    ]
)
"""Operators to which a 0-d tensor is the same as a number, in eager mode and in a graph."""
_BOUNDS = frozenset({"clamp", "clip", "clamp_"})
_IN_TORCH = frozenset(
    [
        "sqrt",
        "exp",
        "log",
        "log2",
        "log10",
        "log1p",
        "expm1",
        "sin",
        "cos",
        "tan",
        "tanh",
        "atan",
        "asin",
        "acos",
        "sinh",
        "cosh",
    ]
)
_WHOLE_IN_TORCH = frozenset({"floor", "ceil", "trunc"})
_SYMBOLIC = frozenset(
    [
        "zeros",
        "ones",
        "empty",
        "full",
        "rand",
        "randn",
        "arange",
        "eye",
        "new_zeros",
        "new_ones",
        "new_empty",
        "new_full",
        "expand",
        "repeat",
        "tile",
        "narrow",
        "topk",
        "roll",
        "randint",
        "pad",
    ]
)
"""Calls for which torch 2.8, 2.11, 2.13 and 2.15 were seen to trace such a symbol as a size."""
_OUTPUT = frozenset(["print", "info", "debug", "warning", "error", "critical", "exception", "log", "warn"])


@dataclass
class Conversion:
    """One attempt: `convert` says whether it holds, `lines` is the code."""

    tree: Tree
    statement: ast.stmt
    symbol: bool = False
    """Whether torch shall trace the number as a symbol (capture_scalar_outputs): then sizes take it, and no decision does."""
    edits: dict[ast.AST, str] = field(default_factory=dict)
    notes: dict[ast.AST, str] = field(default_factory=dict)
    _followed: set[ast.AST] = field(default_factory=set)
    _decided: set[ast.AST] = field(default_factory=set)
    _copy: bool = False
    """Whether something keeps the value for later, or changes it."""
    _unsure: bool = False
    """Whether something may have made a tensor of the number before."""
    _calculates: bool = False
    """Whether the value goes into something that has a gradient."""

    def lines(self) -> str:
        """The statements that change, in the user's own words."""
        return "\n".join(changed_lines(self.tree, self.statement, self.edits, self.notes))

    def convert(self, reads: list[ast.expr]) -> bool:
        """Whether tensors can take the place of the numbers that these expressions read, or are read as."""
        if any(is_numpy(self.tree, read) for read in reads) or self._shares_its_line():
            return False
        for _ in range(2):  # the second time it is known what the values are used for
            self.edits.clear()
            self.notes.clear()
            self._followed.clear()
            self._decided.clear()
            for read in reads:
                self.edits[read] = self._tensor_of(read)
            if not all(self.value(read) for read in reads):
                return False
        return True

    def put(self, node: ast.expr, text: str, *, is_number: bool) -> bool:
        """Whether other code can take the place of an expression: a 0-d tensor instead of a number, or one tensor for another."""
        self.edits[node] = text
        return not is_number or self.value(node)

    def decide(self, test: ast.expr) -> bool:
        """Whether the decision about a tensor can be made on the device."""
        return not is_numpy(self.tree, test) and not self._shares_its_line() and self._tested(test)

    # ------------------------------------------------------------ the value

    def _tensor_of(self, read: ast.expr) -> str:
        """`t` of `t.item()`, `int(t)`, `float(t)` and of a plain `t`: the same value, and like a number without a gradient."""
        reads = called(read) if isinstance(read, ast.Call) and is_read(read) else ""
        tensor = read
        if reads and isinstance(read, ast.Call):
            tensor = read.func.value if isinstance(read.func, ast.Attribute) else read.args[0]
        text = rewritten(self.tree, tensor, {})
        inside = text if conditions.is_one(tensor) else f"({text})"
        whole, truth = is_whole(self.tree, tensor), is_truth(self.tree, tensor)
        copied = self._copy or self._is_changed_in_place(tensor)
        if reads == "int":
            return inside if whole and not truth else f"{inside}.long()"
        if whole and reads == "float":
            return f"{inside}.float()"
        if truth and self._calculates:
            return f"{inside}.long()"
        if not whole and self._calculates:
            inside += ".detach()"
        return f"{inside}.clone()" if copied and not is_fresh(tensor) else inside

    def value(self, node: ast.expr) -> bool:
        """Whether what gets the value of this expression takes a 0-d tensor."""
        if node in self._followed:
            return True
        self._followed.add(node)
        parent = self.tree.parents.get(node)
        if isinstance(parent, ast.keyword):
            call = self.tree.parents.get(parent)
            return isinstance(call, ast.Call) and self._argument(call, node, parent.arg or "**")
        if isinstance(parent, ast.Call):
            return self._argument(parent, node, "")
        if isinstance(parent, ast.BinOp):
            return self._operand(parent, node)
        if isinstance(parent, ast.UnaryOp) and not isinstance(parent.op, (ast.Not, ast.Invert)):
            return self.value(parent)
        if isinstance(parent, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.If, ast.While, ast.Assert)):
            return self._tested(node)
        if isinstance(parent, ast.IfExp):
            return self._tested(node) if node is parent.test else self.value(parent)
        if isinstance(parent, ast.Subscript):
            return node is parent.slice and self._index(parent, node)
        if isinstance(parent, ast.Slice):
            return self._bound(parent)
        if isinstance(parent, (ast.FormattedValue, ast.JoinedStr)):
            return self._shown(parent)
        if isinstance(parent, (ast.Tuple, ast.List)):
            around = self.tree.parents.get(parent)
            if isinstance(around, ast.Subscript):
                return self._index(around, node)
            if self.symbol and isinstance(around, (ast.Call, ast.keyword)):
                return self.value(parent)
            if isinstance(around, ast.Assign):
                return self._unpacked(around, parent, node)
            return isinstance(around, ast.Return) and self._returned(around, inside=True)
        if isinstance(parent, ast.Dict):
            return node in parent.values and self._collected(parent)
        if isinstance(parent, ast.Return):
            return self._returned(parent, inside=False)
        if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            return self._assigned(parent)
        if isinstance(parent, ast.NamedExpr):
            return self._name(parent.target) and self.value(parent)
        if isinstance(parent, ast.Attribute):
            return is_tensor(self.tree, node) or (isinstance(node, ast.Name) and not _is_of_numbers(parent.attr))
        return isinstance(parent, ast.Expr)

    def _operand(self, parent: ast.BinOp, node: ast.expr) -> bool:
        self._calculates = True
        other = parent.right if node is parent.left else parent.left
        kind = kind_of(self.tree, other)
        if not isinstance(parent.op, _OPERATORS) or kind in (SEQUENCE, DICT):
            return False
        if (
            isinstance(parent.op, ast.Pow)
            and not _is_safe_power(parent, other, node)
            and not is_tensor(self.tree, other)
        ):
            return False  # of Python's integers 10 ** -1 is a fraction, of integer tensors it is 0 or an error
        if kind == TEXT:
            return self._shown(parent)
        self._unsure |= not kind and not is_tensor(self.tree, other)
        return is_tensor(self.tree, other) or self.value(parent)

    def _argument(self, call: ast.Call, node: ast.expr, keyword: str) -> bool:
        name, full = called(call), self.tree.names.of(call.func)
        if node is call.func:
            return False
        self._calculates |= name != "int" and name not in _OUTPUT
        if self.symbol and name in _SYMBOLIC:
            return True
        if isinstance(call.func, ast.Name) and not self.tree.names.bound.get(name):
            return self._builtin(call, name, node)
        if full.startswith("math."):
            return self._of_math(call, name)
        if (
            full in ("torch.tensor", "torch.as_tensor")
            and len(call.args) == 1
            and not call.keywords
            and not self.symbol
        ):
            self.edits[call] = self._text(node)
            self._copy = True
            return True
        if name in _OUTPUT and not is_tensor(self.tree, call):
            return self._shown(call)
        if name == "append" and isinstance(call.func, ast.Attribute):
            return self._kept(call, call.func.value)
        if name in _TAKES_A_TENSOR and isinstance(call.func, ast.Attribute) and node is not call.func.value:
            return keyword != "out" and self._operator(call, name, full, node)
        return False

    def _builtin(self, call: ast.Call, name: str, node: ast.expr) -> bool:
        text = self._text(call.args[0]) if call.args else ""
        inside = text if call.args and conditions.is_one(call.args[0]) else f"({text})"
        if name in ("print", "str", "repr", "format"):
            return self._shown(call)
        if call.keywords or not call.args:
            return False
        if name in ("max", "min"):
            return len(call.args) > 1 and (self._has_tensor(call, node) or self.value(call))
        if name == "bool":
            return self._tested(node)
        if name == "pow" and len(call.args) == 2:
            base, power = (self._text(one) for one in call.args)
            self.edits[call] = f"(({base}) ** ({power}))"
            if self._has_tensor(call, node):
                return True
        elif name == "round" and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
            self.edits[call] = f"torch.round({text}, decimals={self._text(call.args[1])})"
        elif name in ("int", "float", "round") and len(call.args) == 1:
            written = {"int": f"{inside}.long()", "float": text, "round": f"torch.round({text}).long()"}
            self.edits[call] = written[name]
        elif name != "abs":
            return False
        return self.value(call)

    def _has_tensor(self, call: ast.Call, node: ast.expr) -> bool:
        """Whether another argument was a tensor before, and so was the result."""
        return any(is_tensor(self.tree, one) for one in call.args if one is not node)

    def _of_math(self, call: ast.Call, name: str) -> bool:
        texts = [self._text(one) for one in call.args]
        if name == "pow" and len(texts) == 2:
            self.edits[call] = f"(({texts[0]}) ** ({texts[1]}))"
        elif (len(texts) == 1 and name in _IN_TORCH) or (len(texts) == 1 and name in ("isnan", "isinf", "isfinite")):
            self.edits[call] = f"torch.{name}({texts[0]})"
        elif len(texts) == 1 and name in _WHOLE_IN_TORCH:
            self.edits[call] = f"torch.{name}({texts[0]}).long()"
        else:
            return False
        return self.value(call)

    def _operator(self, call: ast.Call, name: str, full: str, node: ast.expr) -> bool:
        """A call of torch or a method of a tensor, of which a number was an argument: the result is a tensor anyway."""
        if name == "full":
            first = call.args[0] if call.args else None
            return full == "torch.full" and node is not first
        if name not in _BOUNDS:
            return True
        given: list[tuple[str, ast.expr]] = [(one.arg or "", one.value) for one in call.keywords]
        positional = list(call.args)
        subject = positional.pop(0) if full.startswith("torch.") and positional else getattr(call.func, "value", None)
        given += list(zip(("min", "max"), positional, strict=False))
        bounds = [(bound, value) for bound, value in given if not _is_none(value)]
        if len(bounds) < 2:
            return True
        if name == "clamp_" or subject is None or node not in [value for _, value in bounds]:
            return False  # a tensor for one bound and a number for the other is refused
        parts = {bound: self._text(value) for bound, value in bounds}
        around = self._text(subject) if conditions.is_one(subject) else f"({self._text(subject)})"
        self.edits[call] = f"{around}.clamp(min={parts['min']}).clamp(max={parts['max']})"
        return True

    # ------------------------------------------------------------ names and what leaves the function

    def _assigned(self, parent: ast.Assign | ast.AnnAssign | ast.AugAssign) -> bool:
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        if len(targets) != 1:
            return False
        target = targets[0]
        if isinstance(target, ast.Name):
            if isinstance(parent, ast.AugAssign) and is_tensor(self.tree, target):
                return isinstance(parent.op, _OPERATORS)
            return self._name(target)
        if isinstance(parent, ast.AugAssign) or not isinstance(target, ast.Attribute):
            return isinstance(target, (ast.Attribute, ast.Subscript)) and is_tensor(self.tree, _subject(target))
        reads = (one for one in ast.walk(self.tree.root) if isinstance(one, ast.Attribute) and one.attr == target.attr)
        if any(isinstance(one.ctx, ast.Load) for one in reads):
            return False
        return self._leaves(parent, f"{rewritten(self.tree, target, {})} is a tensor then; .item() where it is read")

    def _unpacked(self, parent: ast.Assign, values: ast.Tuple | ast.List, node: ast.expr) -> bool:
        """`low, high = a.item(), b.item()`."""
        target = parent.targets[0]
        if len(parent.targets) != 1 or not isinstance(target, ast.Tuple) or len(target.elts) != len(values.elts):
            return False
        name = target.elts[values.elts.index(node)]
        return isinstance(name, ast.Name) and self._name(name)

    def _name(self, target: ast.Name) -> bool:
        scope = self.tree.scope(target)
        for one in ast.walk(scope):
            if isinstance(one, (ast.Global, ast.Nonlocal)) and target.id in one.names:
                return False
            if not isinstance(one, ast.Name) or one.id != target.id:
                continue
            if isinstance(one.ctx, ast.Store) and isinstance(self.tree.parents.get(one), ast.AugAssign):
                self._copy = True
            if isinstance(one.ctx, ast.Load) and (self.tree.scope(one) is not scope or not self.value(one)):
                return False
        return not isinstance(scope, ast.Module)

    def _returned(self, parent: ast.Return, *, inside: bool) -> bool:
        """Out of the compiled function a tensor is as good; a function of the file has callers that can be followed."""
        function = self.tree.scope(parent)
        name = getattr(function, "name", "")
        calls = [one for one in ast.walk(self.tree.root) if isinstance(one, ast.Call) and called(one) == name]
        if calls:
            return not inside and all(self.value(call) for call in calls)
        passed = (one for one in ast.walk(self.tree.root) if isinstance(one, (ast.Name, ast.Attribute)))
        if any(isinstance(one.ctx, ast.Load) and _last(one) == name for one in passed) and name != "forward":
            return False
        return self._leaves(parent, "" if self._unsure else "and .item() in the caller")

    def _collected(self, parent: ast.Dict) -> bool:
        around = self.tree.parents.get(parent)
        if isinstance(around, ast.Return):
            return self._returned(around, inside=True)
        if not isinstance(around, ast.Assign) or not isinstance(around.targets[0], ast.Name):
            return False
        target = around.targets[0]
        loads = [
            one
            for one in ast.walk(self.tree.scope(target))
            if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
        ]
        for one in loads:
            leaves = self.tree.parents.get(one)
            leaves = self.tree.parents.get(leaves) if isinstance(leaves, ast.Tuple) else leaves
            if not isinstance(leaves, ast.Return) or not self._returned(leaves, inside=True):
                return False
        return bool(loads)

    def _kept(self, call: ast.Call, container: ast.expr) -> bool:
        """`self.history.append(n)`: of a list that nothing in the file reads."""
        name = _last(container)
        reads = [
            one
            for one in ast.walk(self.tree.root)
            if isinstance(one, (ast.Name, ast.Attribute)) and _last(one) == name and isinstance(one.ctx, ast.Load)
        ]
        if not name or any(not _is_append(self.tree, one) for one in reads):
            return False
        return isinstance(self.tree.parents.get(call), ast.Expr) and self._leaves(
            call, f"{rewritten(self.tree, container, {})} has tensors then; .item() where they are read"
        )

    def _leaves(self, node: ast.AST, note: str) -> bool:
        self._note(node, note)
        self._copy |= not self._unsure
        self._calculates = True
        return True

    # ------------------------------------------------------------ indices, bounds, texts, decisions

    def _index(self, node: ast.Subscript, index: ast.expr) -> bool:
        """An element of a tensor, of a tuple of numbers or tensors, or the call of one of several modules."""
        if self.symbol or is_truth(self.tree, index):
            return False
        if isinstance(node.ctx, ast.Store):
            self.edits[index] = (
                f"{self._text(index) if conditions.is_one(index) else f'({self._text(index)})'}.reshape(1)"
            )
            return index is node.slice and is_tensor(self.tree, node.value)
        container = node.value
        kind, inside = kind_of(self.tree, container), self._text(container)
        if is_tensor(self.tree, container):
            return self._element(node, index)
        if index is not node.slice:
            return False
        text = self._text(index)
        one = text if conditions.is_one(index) and "." not in text[-1:] else f"({text})"
        kinds = {kind_of(self.tree, element) for element in elements(self.tree, container)}
        if kind == SEQUENCE and kinds == {NUMBER}:
            self.edits[node] = f"torch.tensor({inside}, device={one}.device)[{one}.reshape(1)][0]"
            return self.value(node)
        if kind == SEQUENCE and kinds and kinds <= {TENSOR, MASK}:
            self.edits[node] = f"torch.stack(tuple({inside}))[{one}.reshape(1)][0]"
            self._note(node, "the elements need one shape")
            return True
        call = self.tree.parents.get(node)
        if not isinstance(call, ast.Call) or call.func is not node:
            return False
        if kind == MODULES or (kind == SEQUENCE and kinds == {FUNCTION}):
            arguments = self.tree.source(call)[len(self.tree.source(node)) :]
            self.edits[call] = f"torch.stack([each{arguments} for each in {inside}])[{one}.reshape(1)][0]"
            self._note(call, "computes all of them, and the results need one shape")
            return True
        return False

    def _element(self, node: ast.Subscript, index: ast.expr) -> bool:
        """`x[:, n]`: `x[:, n.reshape(1)].squeeze(1)`."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        dim = parts.index(index)
        after = f".squeeze({dim})"
        if parts[:dim] and all(kind_of(self.tree, part) == NUMBER for part in parts[:dim]) and len(parts) == dim + 1:
            after = "[0]"
        elif not all(isinstance(part, ast.Slice) for part in parts[:dim]) or not all(
            isinstance(part, ast.Slice) for part in parts[dim + 1 :]
        ):
            return False
        texts = [self._text(part) for part in parts]
        texts[dim] = f"{texts[dim] if conditions.is_one(index) else f'({texts[dim]})'}.reshape(1)"
        self.edits[node] = f"{self._text(node.value)}[{', '.join(texts)}]{after}"
        return self._unshared(node)

    def _bound(self, part: ast.Slice) -> bool:
        """`x[:, s : s + 4]`: an index of fixed length."""
        node = self.tree.parents.get(part)
        index = node.slice if isinstance(node, ast.Subscript) else node
        node = self.tree.parents.get(index) if isinstance(index, ast.Tuple) else node
        if not isinstance(node, ast.Subscript) or not is_tensor(self.tree, node.value) or part.step is not None:
            return False
        length = self._length(part)
        if self.symbol or length is None or part.lower is None or not self._unshared(node):
            return False
        subject = self._text(node.value)
        if not conditions.is_one(node.value) or isinstance(node.value, ast.Call):
            return False
        self.edits[part] = f"{self._text(part.lower)} + torch.arange({length}, device={subject}.device)"
        self._note(node, "the positions must exist")
        self._followed |= {one for one in ast.walk(part) if isinstance(one, ast.expr)}
        return True

    def _length(self, part: ast.Slice) -> str | None:
        """`4` for the bounds `s` and `s + 4`, also if `s + 4` has a name."""
        if part.lower is None or part.upper is None:
            return None
        for value in (part.upper, *values_of(self.tree, part.upper)):
            if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
                for one, other in ((value.left, value.right), (value.right, value.left)):
                    if ast.dump(one) == ast.dump(part.lower) and kind_of(self.tree, other) == NUMBER:
                        return self._text(other)
        return None

    def _unshared(self, node: ast.Subscript) -> bool:
        """Whether nothing writes into the result: an index gives a copy where a slice gave a view."""
        if not isinstance(node.ctx, ast.Load):
            return True
        parent = self.tree.parents.get(node)
        names = [*parent.targets] if isinstance(parent, ast.Assign) else []
        if any(isinstance(one, ast.Name) and self._is_changed_in_place(one) for one in names):
            return False
        return not (isinstance(parent, ast.Attribute) and parent.attr.endswith("_"))

    def _shown(self, node: ast.AST) -> bool:
        """A text that only a print or a log gets: then the whole statement stays out of the compiled code."""
        if self.symbol:
            return False
        check = self.tree.around(node, ast.stmt)
        if isinstance(check, ast.Assert) and isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
            return self._tested(check.test)  # its message becomes a plain text
        while not isinstance(parent := self.tree.parents.get(node), (ast.stmt, type(None))):
            if isinstance(node, ast.Call) and called(node) in _OUTPUT:
                return False
            calls = isinstance(parent, ast.Call) and called(parent) not in {*_OUTPUT, "str", "format", "repr", "round"}
            if calls or isinstance(parent, (ast.Subscript, ast.Attribute, ast.Dict, ast.IfExp, ast.Compare)):
                outer = self.tree.parents.get(parent) if parent is not None else None
                if not (isinstance(parent, ast.Attribute) and parent.attr == "format" and isinstance(outer, ast.Call)):
                    return False
            node = parent
        if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
            target = parent.targets[0]
            loads = [
                one
                for one in ast.walk(self.tree.scope(target))
                if isinstance(one, ast.Name) and one.id == target.id and isinstance(one.ctx, ast.Load)
            ]
            if not loads or len(values_of(self.tree, target)) != 1 or not all(self._shown(one) for one in loads):
                return False
        elif not isinstance(parent, ast.Expr) or not isinstance(node, ast.Call) or called(node) not in _OUTPUT:
            return False
        assert isinstance(parent, ast.stmt)
        self.edits[parent] = f"if not torch.compiler.is_compiling():\n    {rewritten(self.tree, parent, {})}"
        return True

    def _tested(self, node: ast.expr) -> bool:
        """A decision of Python: an `if`, a conditional expression, an assert, a flag."""
        top: ast.expr = node
        while isinstance(parent := self.tree.parents.get(top), (ast.Compare, ast.BoolOp, ast.UnaryOp)) or (
            isinstance(parent, ast.Call) and called(parent) == "bool" and isinstance(parent.func, ast.Name)
        ):
            top = parent
        if top in self._decided:
            return True
        self._decided.add(top)
        condition = conditions.on_device(self.tree, top, self._text)
        if not condition or (self.symbol and not _is_traced_assert(parent)):
            return False
        if isinstance(parent, ast.Assert) and top is parent.test:
            self.edits[parent] = f"torch._assert_async({condition}, {conditions.message(self.tree, parent)})"
            return True
        if isinstance(parent, ast.IfExp) and top is parent.test:
            if not conditions.are_values(self.tree, parent.body, parent.orelse):
                return False
            self.edits[parent] = f"torch.where({condition}, {self._text(parent.body)}, {self._text(parent.orelse)})"
            self._note(parent, conditions.sides_note(self.tree, parent.body, parent.orelse))
            return is_tensor(self.tree, parent) or self.value(parent)
        if isinstance(parent, ast.If) and top is parent.test:
            return self._branch(parent, condition)
        if isinstance(parent, (ast.Assign, ast.Return, ast.BinOp)):
            self.edits[top] = condition
            return self.value(top)
        return False

    def _branch(self, statement: ast.If, condition: str) -> bool:
        chosen = conditions.chosen(self.tree, statement, condition, self._text)
        if chosen is None:
            return False
        text, target, note = chosen
        self.edits[statement] = text
        self._note(statement, note)
        return target is None or is_tensor(self.tree, target) or self._name(target)

    # ------------------------------------------------------------ the source

    def _shares_its_line(self) -> bool:
        """`a = t.item(); b = u.item()`: torch names the line, and not which of its statements breaks."""
        line = self.statement.lineno
        return sum(isinstance(one, ast.stmt) and one.lineno == line for one in ast.walk(self.tree.root)) > 1

    def _note(self, node: ast.AST, note: str) -> None:
        """What has to be known about the statement around a node."""
        at = statement_of(self.tree, node)
        if not note:
            return
        self.notes[at] = "; ".join(dict.fromkeys(filter(None, [*self.notes.get(at, "").split("; "), note])))

    def _text(self, node: ast.AST) -> str:
        return rewritten(self.tree, node, self.edits)

    def _is_changed_in_place(self, tensor: ast.expr) -> bool:
        """Whether the file changes the memory that a name or attribute stands for: `t.add_(1)`, `t += 1`, `t[0] = 1`."""
        root = _last(_root(tensor))
        for one in ast.walk(self.tree.root):
            changed: ast.expr | None = None
            if isinstance(one, ast.AugAssign):
                changed = one.target
            elif isinstance(one, ast.Subscript) and not isinstance(one.ctx, ast.Load):
                changed = one.value
            elif isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute):
                name = one.func.attr
                changed = one.func.value if name.endswith("_") and not name.startswith("__") else None
            if changed is not None and _last(_root(changed)) == root:
                return True
        return False


def _is_traced_assert(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Assert) and (node.msg is None or isinstance(node.msg, ast.Constant))


def is_read(call: ast.Call) -> bool:
    """`t.item()`, `int(t)`, `float(t)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == "item" and not call.args
    return isinstance(call.func, ast.Name) and call.func.id in ("int", "float") and len(call.args) == 1


def _root(node: ast.expr) -> ast.expr:
    """`self.pos` of `self.pos[0].view(-1)`."""
    while isinstance(node, (ast.Subscript, ast.Call)) or (
        isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name)
    ):
        inner = node.func if isinstance(node, ast.Call) else node.value
        node = inner.value if isinstance(node, ast.Call) and isinstance(inner, ast.Attribute) else inner
    return node


def _subject(target: ast.expr) -> ast.expr:
    return target.value if isinstance(target, ast.Subscript) else target


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_append(tree: Tree, node: ast.expr) -> bool:
    parent = tree.parents.get(node)
    return isinstance(parent, ast.Attribute) and parent.attr in ("append", "clear")


def _is_safe_power(power: ast.BinOp, other: ast.expr, node: ast.expr) -> bool:
    """A number to a constant power that is not negative, or a constant float to a number."""
    if not isinstance(other, ast.Constant) or not isinstance(other.value, (int, float)):
        return False
    return other.value >= 0 if power.left is node else isinstance(other.value, float)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_of_numbers(name: str) -> bool:
    return name in ("is_integer", "bit_length", "real", "imag", "conjugate", "hex")
