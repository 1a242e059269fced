"""Finds out from its source whether a TARGET is an attention function, without importing it."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from compile_doctor.targets.target import Target

KEYWORDS = {"mask_mod", "score_mod"}
"""The parameters of an attention function: `attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None)`."""
DEFAULT = "attention"
"""The function to look for in a file without `:attr`."""


def attention_function(target: Target) -> Target | None:
    """The target with the function's name filled in; None if it is not an attention function."""
    name = target.attr or DEFAULT
    return replace(target, attr=name) if name in attention_functions(target) else None


def attention_functions(target: Target) -> list[str]:
    """The names of all attention functions in the target's file."""
    return [node.name for node in _defined(target) if isinstance(node, ast.FunctionDef) and _takes(node.args)]


def why_none(target: Target) -> str:
    """Why the target is not an attention function; empty if it may be a model."""
    defined, found = _defined(target), attention_functions(target)
    names = [node.name for node in defined]
    found.sort(key=lambda name: name.startswith("_"))
    if defined and target.attr and not _mentions(target, target.attr):
        near = get_close_matches(target.attr, names, 1)
        return f"{target.attr!r} does not occur in it." + (f" Did you mean {near[0]}?" if near else "")
    if target.attr is None and found and "example_inputs" not in names and "example_input_sets" not in names:
        return f"It has attention functions: name one, as in {target.text}:{found[0]}."
    for node in defined:
        if node.name == target.attr and isinstance(node, ast.FunctionDef) and "example_inputs" not in names:
            return (
                f"An attention function takes q, k, v, mask_mod=None, score_mod=None, scale=None; {node.name} does not."
            )
    return ""


def _mentions(target: Target, name: str) -> bool:
    """Whether the name occurs anywhere in the file: it may be imported, or made by a call."""
    file = source_file(target)
    return file is None or name.partition(".")[0] in file.read_text(encoding="utf-8", errors="replace")


def _defined(target: Target) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """The definitions at the top level of the file; none if it cannot be read: running it will show the error."""
    file = source_file(target)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8", errors="replace")) if file else ast.Module([], [])
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]


def _takes(arguments: ast.arguments) -> bool:
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return names >= KEYWORDS and len(arguments.posonlyargs) + len(arguments.args) >= 3


def source_file(target: Target) -> Path | None:
    """The target's file; None for a module that is not found without importing anything."""
    return target.path or _file_of(target.module or "")


def _file_of(module: str) -> Path | None:
    for folder in (os.getcwd(), *sys.path):
        base = Path(folder or ".").joinpath(*module.split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if module and file.is_file():
                return file
    return None
