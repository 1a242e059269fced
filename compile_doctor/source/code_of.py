"""Code from a syntax tree, the same on each Python: `ast.unparse`, with f-strings that Python 3.11 can read too."""

from __future__ import annotations

import ast
import copy

_QUOTES = ("'", '"', "'''", '"""')


def code_of(node: ast.AST) -> str:
    """The text of an expression or statement.

    From Python 3.12 on, `ast.unparse` writes `f'{x['a']}'`, which is an error before.
    """
    if any(isinstance(one, ast.JoinedStr) for one in ast.walk(node)):
        node = _Strings().visit(copy.deepcopy(node))
    return ast.unparse(node)


class _Strings(ast.NodeTransformer):
    """Puts a name with their text in the place of f-strings: `ast.unparse` writes a name as it is."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        parts = _parts(node)
        inside = "".join(text for text, literal in parts if not literal)
        whole = "".join(text for text, _ in parts)
        for quote in _QUOTES:
            if quote not in whole and not whole.endswith(quote[0]):
                return ast.Name(f"f{quote}{whole}{quote}", ast.Load())
        for quote in _QUOTES:
            if quote not in inside:
                texts = (text.replace(quote[0], "\\" + quote[0]) if literal else text for text, literal in parts)
                return ast.Name(f"f{quote}{''.join(texts)}{quote}", ast.Load())
        return node


def _parts(node: ast.JoinedStr) -> list[tuple[str, bool]]:
    """The texts between the quotes, and whether each is literal; else it is an expression in braces."""
    found: list[tuple[str, bool]] = []
    for one in node.values:
        if isinstance(one, ast.Constant):
            escaped = (c if c.isprintable() and c != "\\" else repr(c)[1:-1] for c in str(one.value))
            found.append(("".join(escaped).replace("{", "{{").replace("}", "}}"), True))
        elif isinstance(one, ast.FormattedValue):
            text = code_of(one.value)
            text = f"({text})" if isinstance(one.value, (ast.Lambda, ast.IfExp)) else text
            conversion = f"!{chr(one.conversion)}" if one.conversion >= 0 else ""
            found.append((f"{{{' ' if text.startswith('{') else ''}{text}{conversion}", False))
            if isinstance(one.format_spec, ast.JoinedStr):
                found += [(":", True), *_parts(one.format_spec)]
            found.append(("}", False))
    return found
