"""Format names on the command line: `--help` lists the built-in ones; those of plug-ins are looked up when needed."""

from __future__ import annotations

from typing import Any

import click

from compile_doctor.errors import UsageError
from compile_doctor.render import formats, own_formats, renderer


def is_format(name: str) -> bool:
    """Whether the format exists. Raises UsageError, before anything runs, if a plug-in's cannot be imported."""
    if name in own_formats():
        return True
    known = name in formats()
    if known:
        renderer(name)
    return known


class FormatName(click.types.StringParamType):
    """A format, by its name."""

    name = "format"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """`[json|text|…]`, without those of plug-ins (docs/extending.md): looking for them would slow down `--help`."""
        return f"[{'|'.join(own_formats())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = str(value)
        try:
            known = is_format(name)
        except UsageError as error:
            self.fail(f"{error} {error.hint}", param, ctx)
        if not known:
            self.fail(f"{name!r} is not one of {', '.join(map(repr, formats()))}.", param, ctx)
        return name
