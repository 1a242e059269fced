"""Parses a TARGET string; the probe imports the target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compile_doctor.errors import UsageError
from compile_doctor.examples import example_path

TEMPLATE = """\
import torch

def build_model():
    return torch.nn.Linear(16, 16)

def example_inputs():
    return (torch.randn(4, 16),)
"""


@dataclass(frozen=True)
class Target:
    """`path` for a file, else `module` for a dotted name; `attr` if one was given."""

    text: str
    path: Path | None = None
    module: str | None = None
    attr: str | None = None
    search: tuple[str, ...] = ()
    """Folders in which its process looks for modules first."""


def parse_target(text: str) -> Target:
    """`pkg.mod:attr`, `path/file.py[:attr]` or `example:NAME[:ATTR]`. Raises UsageError, with a template, if invalid."""
    if text.startswith("example:"):
        example, _, factory = text.removeprefix("example:").partition(":")
        return Target(text, path=example_path(example), attr=factory or None)
    name, colon, attr = text.rpartition(":")
    if colon and (name.endswith(".py") or not attr.endswith(".py")) and attr.replace(".", "_").isidentifier():
        if name.endswith(".py"):
            return Target(text, path=_file(name), attr=attr)
        if name and all(part.isidentifier() for part in name.split(".")):
            return Target(text, module=name, attr=attr)
    if text.endswith(".py"):
        return Target(text, path=_file(text))
    if text and Path(text).is_dir():
        raise UsageError(f"{text} is a directory, not a target.", hint=not_a_target())
    if text and Path(text).exists():
        raise UsageError(f"{text} is not a Python file (.py).", hint=not_a_target())
    raise UsageError(
        f"{text!r} is not a valid target. Give a .py file, FILE.py:ATTR, PACKAGE.MODULE:ATTR or example:NAME.",
        hint=not_a_target(),
    )


def _file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"{name} does not exist." if not path.exists() else f"{name} is not a file.", hint=not_a_target()
        )
    return path.resolve()


def not_a_target() -> str:
    """The hint for an invalid target: a short file to start from."""
    return "A target file can be as short as this:\n\n" + "".join(
        f"    {line}\n" if line else "\n" for line in TEMPLATE.splitlines()
    )
