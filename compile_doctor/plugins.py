"""What other distributions add through entry points. Looked up once, at the first use; that imports none of their code.

A plug-in is the user's choice and runs with the user's rights. Its errors are reported with its distribution's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

CHECKS = "compile_doctor.checks"
"""`XYZ001 = "package.module:CHECK"`."""
FORMATS = "compile_doctor.formats"
"""`NAME = "package.module"`, a module with `render` and `render_gate`."""
RECIPES = "compile_doctor.recipes"
"""`NAME = "package"` or `"package:folder"`."""


class PluginError(Exception):
    """A plug-in that cannot be used, and why; the message begins with the distribution."""


@dataclass(frozen=True)
class Plugin:
    """One entry point."""

    name: str
    distribution: str
    value: str
    entry: EntryPoint = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} = {self.value} of {self.distribution}"

    def load(self) -> Any:
        """The object that the entry point names. Raises PluginError for anything that its import raises."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:  # code of other people may raise anything
            raise self.error(f"cannot be imported: {type(error).__name__}: {error}") from error

    def error(self, problem: str) -> PluginError:
        """`plug-in DISTRIBUTION: package.module:CHECK cannot be imported: …`."""
        return PluginError(f"plug-in {self.distribution}: {self.value} {problem}")


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """The entry points of a group, in an order that does not depend on where they are installed."""
    from importlib import metadata  # only here: `--help` needs no plug-in and has to be quick

    found = {
        (entry.name, entry.dist.metadata["Name"] if entry.dist else "of an unknown distribution", entry.value): entry
        for entry in metadata.entry_points(group=group)
    }
    return tuple(Plugin(*key, found[key]) for key in sorted(found))
