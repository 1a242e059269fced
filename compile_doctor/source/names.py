"""What a name in a source file refers to: `flash_attn.flash_attn_func`, whatever its local name."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def parsed(text: str) -> ast.Module | None:
    """The syntax tree; None for a file that this Python could not import either: it is damaged, or for a newer one."""
    try:
        return ast.parse(text.lstrip("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last for too many nested operators
        return None


def dotted(node: ast.AST) -> str:
    """A dotted name as written, such as `self.attend`; empty if the node is not a dotted name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class Names:
    """The imports of one file, including those inside functions."""

    def __init__(self, tree: ast.AST) -> None:
        self.bound = dict(_imported(tree))
        """Local name to dotted name; the last import wins."""

    def of(self, node: ast.AST) -> str:
        """The full dotted name of a local one, such as `torch.compiler.disable`; empty if the node is not a dotted name."""
        first, _, rest = dotted(node).partition(".")
        return ".".join(filter(None, [self.bound.get(first, first), rest]))


def relative(tree: ast.AST, module: str, name: str, file: str = "") -> str:
    """The full name of one that a module of a package has from a relative import, or that it defines itself."""
    first, _, rest = name.partition(".")
    above = module.split(".") + ["__init__"] * file.endswith("__init__.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == first:
                    return ".".join(filter(None, [*above[: -node.level], node.module, alias.name, rest]))
    return f"{module}.{name}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
