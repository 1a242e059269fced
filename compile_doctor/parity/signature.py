"""Whether a TARGET is an attention function, read from its source: nothing is imported."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import replace
from pathlib import Path

from compile_doctor.targets import Target

KEYWORDS = {"mask_mod", "score_mod"}
"""The parameters that make a function one: `attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None)`."""
DEFAULT = "attention"
"""The name that a file without `:attr` is searched for."""


def attention_function(target: Target) -> Target | None:
    """The target with the function's name filled in; None where it names something else."""
    file = target.path or _file_of(target.module or "")
    if file is None:
        return None
    try:
        tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError, ValueError):
        return None  # whoever runs it says what is wrong with it
    name = target.attr or DEFAULT
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name and _takes(node.args):
            return replace(target, attr=name)
    return None


def _takes(arguments: ast.arguments) -> bool:
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return names >= KEYWORDS and len(arguments.posonlyargs) + len(arguments.args) >= 3


def _file_of(module: str) -> Path | None:
    for folder in (os.getcwd(), *sys.path):
        base = Path(folder or ".").joinpath(*module.split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if module and file.is_file():
                return file
    return None
