"""The text of a replacement: the call's own expressions, lines before it, and names that are free."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from compile_doctor.source.code_of import code_of
from compile_doctor.source.flash_attn.calls import FlashCall

_INDICES = frozenset({"b", "h", "i", "j", "score"})
"""Parameters of the generated functions, which must not hide a name of the user's."""
UNKNOWN = object()
"""The value of an argument that is not a literal."""
_WIDTH = 100
_TRANSPOSED = re.compile(r"(?:1, 2|2, 1|-3, -2|-2, -3)")
_CALL = "return {}"


class Writer:
    """Collects imports and lines; `wrapped` writes a function instead, for a call that no line can come before."""

    def __init__(self, call: FlashCall, wrapped: bool) -> None:
        self.call, self.wrapped = call, wrapped
        self.imports: dict[str, list[str]] = {}
        """Module to the names that are imported from it."""
        self.lines: list[str] = []
        self.parameters: dict[str, str] = {}
        """Parameters of the function around the replacement: name to the expression that is passed."""
        self._taken = set(call.taken)
        self._bound: dict[str, str] = {}
        self.read: set[str] = set()

    def value(self, name: str) -> object:
        """The value of a literal argument; None if it is not given, UNKNOWN for an expression."""
        self.read.add(name)
        try:
            value: object = ast.literal_eval(self.call.arguments.get(name, "None"))
        except (ValueError, SyntaxError, TypeError):
            return UNKNOWN
        return value

    def argument(self, name: str) -> str:
        """The text of an argument of the call, or of the function around the replacement."""
        self.read.add(name)
        text = self.call.arguments.get(name, name)
        if not self.wrapped or (name in self.call.arguments and (self.call.partial or self.value(name) is not UNKNOWN)):
            return text
        self.parameters.setdefault(name, text)
        return name

    def shared(self, name: str) -> str:
        """The argument as a name or an attribute of a name, which can be written several times."""
        text = self.argument(name)
        return text if _is_simple(text) else self.bind(name, text)

    def steady(self, name: str, text: str) -> str:
        """An expression for use in a mask_mod: bound to a new name if the indices would hide a name in it."""
        tree = _expression(text)
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else set()
        return self.bind(name, text) if named & _INDICES else grouped(text)

    def bind(self, name: str, text: str) -> str:
        """Adds a line `name = text` with a free name, which it returns; the same text is bound once."""
        if text not in self._bound:
            self._bound[text] = self.fresh(name)
            self.lines.append(f"{self._bound[text]} = {text}")
        return self._bound[text]

    def fresh(self, name: str) -> str:
        taken = self._taken | self.parameters.keys()
        name += f"_{self.call.ordinal}" * (self.call.ordinal > 1)
        while name in taken or (self.wrapped and name in self.call.arguments):
            name += "_"
        self._taken.add(name)
        return name

    def function(self, name: str) -> str:
        """`F.scaled_dot_product_attention` or `flex_attention`, imported if the file does not import it."""
        module, _, last = name.rpartition(".")
        plain = module == "torch.nn.functional"  # available as soon as torch is imported
        known = {meant: local for local, meant in self.call.imported.items() if f"{name}.".startswith(f"{meant}.")}
        longest = max(known, key=len, default="")
        if longest in (name, module) or (longest and plain):
            return known[longest] + name[len(longest) :]
        if plain:
            return name
        self.imports.setdefault(module, []).append(last)
        return last

    def define(self, name: str, parameters: str, body: Iterable[str]) -> str:
        """Adds a function before the call; returns its name."""
        made = self.fresh(name)
        self.lines += ["", f"def {made}({parameters}):", *(f"    {line}" for line in body), ""]
        return made

    def text(self, expression: str) -> str:
        """The whole text: imports, lines, and the statement with `expression` instead of the call."""
        uses = any(re.search(r"\btorch\.", line) for line in [*self.lines, expression])
        before = ["import torch"] if uses and self.call.imported.get("torch") != "torch" else []
        before += [f"from {module} import {', '.join(names)}" for module, names in self.imports.items()]
        before += [""] * bool(before)
        if self.wrapped:
            body = _squeezed([*self.lines, _CALL.format(expression)])
            name = self.fresh("attend")
            order = sorted(self.parameters, key=[*self.call.arguments, *self.parameters].index)
            before += [f"def {name}({', '.join(order)}):", *_indented(body), ""]
            values = ", ".join(self.parameters[one] for one in order)
            expression = name if self.call.partial else f"{name}({values})"
        else:
            before += self.lines
        if not self.call.shown and before:
            before += ["", "# instead of the call:"]
        whole = self.call.before + expression + self.call.after
        return "\n".join(_squeezed([*before, *whole.splitlines()]))


def called(function: str, positional: Iterable[str], keywords: Iterable[tuple[str, str]], behind: str = "") -> str:
    """`function(positional, name=value)behind`, on several lines if it is long."""
    first, options = ", ".join(positional), [f"{name}={value}" for name, value in keywords]
    line = f"{function}({', '.join([first, *options])}){behind}"
    if len(line) <= _WIDTH - 16:
        return line
    rows = [first]
    for option in options:
        if len(rows) > 1 and len(f"    {rows[-1]}, {option},") <= _WIDTH:
            rows[-1] += f", {option}"
        else:
            rows.append(option)
    return "\n".join([f"{function}(", *(f"    {row}," for row in rows), f"){behind}"])


def grouped(text: str) -> str:
    """The expression, in parentheses if it is more than a name or a call, so that text can follow it."""
    tree = _expression(text)
    return text if isinstance(tree, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({text})"


def untransposed(text: str) -> str:
    """`x` for `x.transpose(1, 2)`, with which the caller makes flash_attn's layout; empty for anything else."""
    tree = _expression(text)
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute) and not tree.keywords):
        return ""
    swaps = tree.func.attr in ("transpose", "swapaxes") and _TRANSPOSED.fullmatch(
        ", ".join(code_of(one) for one in tree.args)
    )
    return grouped(code_of(tree.func.value)) if swaps else ""


def _is_simple(text: str) -> bool:
    tree = _expression(text)
    while isinstance(tree, ast.Attribute):
        tree = tree.value
    return isinstance(tree, ast.Constant) or (isinstance(tree, ast.Name) and tree.id not in _INDICES)


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for text in lines for line in text.splitlines() or [""]]


def _squeezed(lines: Iterable[str]) -> list[str]:
    """The lines without empty ones at the start and the end, and without two empty ones in a row."""
    found: list[str] = []
    for line in lines:
        if line or (found and found[-1]):
            found.append(line)
    return found[:-1] if found and not found[-1] else found
