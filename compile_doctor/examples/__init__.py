"""The examples in the package: small, real models, each a target file."""

from __future__ import annotations

import ast
from importlib import resources
from pathlib import Path

from compile_doctor.errors import UsageError


def example_names() -> tuple[str, ...]:
    """Names as in `example:NAME`, sorted."""
    folder = resources.files(__name__)
    names = (entry.name for entry in folder.iterdir() if entry.name.endswith(".py") and not entry.name.startswith("_"))
    return tuple(sorted(name.removesuffix(".py").replace("_", "-") for name in names))


def example_path(name: str) -> Path:
    """The file of an example. Raises UsageError for an unknown name."""
    if name not in example_names():
        raise UsageError(f"There is no example {name!r}.", hint=f"The examples are {', '.join(example_names())}.")
    return Path(str(resources.files(__name__).joinpath(name.replace("-", "_") + ".py")))


def example_variants(name: str) -> tuple[str, ...]:
    """Other models in the same file, with another configuration or with a mistake: `example:NAME:VARIANT`."""
    tree = ast.parse(example_path(name).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return tuple(
        node.name
        for node in functions
        if node.name != "build_model" and node.returns and ast.unparse(node.returns) == "nn.Module"
    )


def example_summary(name: str) -> str:
    """The first line of the example's docstring."""
    text = ast.get_docstring(ast.parse(example_path(name).read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]
