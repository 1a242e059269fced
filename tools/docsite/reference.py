"""The pages of the Python API: mkdocstrings makes them from signatures and docstrings, without importing anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from docsite.page import Page

INTRODUCTION = """\
The functions and classes for Python programs. None of these modules imports torch until something has to run. Begin with
[From Python](../docs/python.md)."""


@dataclass(frozen=True)
class Module:
    """A page of the API: a module, and the names in it that are public."""

    name: str
    title: str
    description: str
    members: Sequence[str] = ()
    """The public names; if empty, all that have a docstring."""
    imported_as: str = ""
    """The module from which users import them."""

    @property
    def markdown(self) -> str:
        """The directives for mkdocstrings."""
        if not self.imported_as:  # the module itself: the page begins with its docstring
            shown = f"\n      members: {json.dumps(self.members)}" if self.members else ""
            return f"::: {self.name}\n    options:\n      show_root_heading: false{shown}"
        members = "\n\n".join(f"::: {self.name}.{member}" for member in self.members)
        return f"{self.description} Imported from `{self.imported_as}`.\n\n{members}"


MODULES = (
    Module(
        "compile_doctor.api",
        "Diagnosis",
        "Diagnose a target or a callable, watch a block, load a capture.",
        ("diagnose", "watch", "Watched", "load", "Report"),
        "compile_doctor",
    ),
    Module(
        "compile_doctor.recipes.engine",
        "Recipes",
        "Apply and revert recipes in the running process, and see their state.",
        ("apply", "applied", "revert", "status", "Status"),
        "compile_doctor",
    ),
    Module(
        "compile_doctor.auto",
        "Automatic recipes",
        "`import compile_doctor.auto` applies the recipes that are safe on this torch.",
    ),
    Module("compile_doctor.flex", "flex_attention", "flex_attention that stays fused inside an outer torch.compile."),
    Module(
        "compile_doctor.pytest_plugin",
        "pytest plugin",
        "Limits for what a test, or a block in it, may cost under torch.compile.",
        ("CompileHealth", "compile_health"),
    ),
    Module("compile_doctor.errors", "Errors", "The exceptions for problems that the user can fix."),
)


def pages() -> Iterator[Page]:
    """The index, and a page for each module."""
    rows = "\n".join(f"- [{one.title}]({_file(one)}): {one.description}" for one in MODULES)
    about = "The functions, classes and fixtures of compile-doctor."
    yield Page("api/index.md", "Python API", about, f"{INTRODUCTION}\n\n{rows}")
    for one in MODULES:
        source = one.name.replace(".", "/") + ".py"
        yield Page(f"api/{_file(one)}", one.title, one.description, one.markdown, source)


def _file(module: Module) -> str:
    return f"{module.name.rpartition('.')[2]}.md"
