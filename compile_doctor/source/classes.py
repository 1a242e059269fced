"""The classes that have a name, over all files of a capture."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from compile_doctor.source.trees import tree_of


def classes_named(sources: Mapping[str, str], *names: str) -> list[ast.ClassDef]:
    """Those at the top of a file. Only files with the words are parsed: there may be hundreds, and each takes a moment."""
    wanted = [name for name in names if name]
    texts = (text for text in sources.values() if any(f"class {name}" in text for name in wanted))
    trees = (tree for tree in map(tree_of, texts) if tree)
    return [one for tree in trees for one in tree.root.body if isinstance(one, ast.ClassDef) and one.name in wanted]
