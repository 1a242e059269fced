"""Custom operators that the user's files define."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from compile_doctor.source.code_of import code_of
from compile_doctor.source.names import parsed


def parameters(sources: Mapping[str, str], operator: str) -> tuple[str, ...]:
    """The parameters of the function under `@torch.library.custom_op("library::name", …)`; none if no file has it."""
    for text in sources.values():
        if operator not in text:
            continue
        for one in ast.walk(parsed(text) or ast.Module([], [])):
            if isinstance(one, ast.FunctionDef) and any(_defines(part, operator) for part in one.decorator_list):
                return tuple(arg.arg for arg in (*one.args.posonlyargs, *one.args.args, *one.args.kwonlyargs))
    return ()


def _defines(decorator: ast.expr, operator: str) -> bool:
    if not isinstance(decorator, ast.Call) or not decorator.args:
        return False
    first = decorator.args[0]
    return code_of(decorator.func).endswith("custom_op") and getattr(first, "value", None) == operator
