"""`compile-doctor examples [NAME]`."""

from __future__ import annotations

from pathlib import Path

import click

from compile_doctor.cli.output import answer
from compile_doctor.errors import UsageError


@click.command(name="examples", short_help="List, show or copy the shipped examples.")
@click.argument("name", required=False)
@click.option("--copy", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Copy the file of NAME to DIR.")
def command(name: str | None, folder: Path | None) -> int:
    """Lists the examples; with NAME, shows its source.

    \b
    Examples:
      compile-doctor examples
      compile-doctor examples four-breaks
      compile-doctor examples four-breaks --copy .
    """
    from compile_doctor.examples import example_names, example_path, example_summary, example_variants

    if name is None:
        width = max(len(known) for known in example_names())
        for known in example_names():
            answer(f"{known:<{width}}  {example_summary(known)}")
            for variant in example_variants(known):
                answer(f"{'':<{width}}    example:{known}:{variant}")
        return 0
    path = example_path(name.removeprefix("example:"))
    if folder is None:
        answer(path.read_text(encoding="utf-8"))
        return 0
    copy = folder / path.name
    if copy.exists():
        raise UsageError(f"{copy} already exists.", hint="Give another folder, or delete the file.")
    try:
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{copy} cannot be written: {error.strerror}.") from error
    answer(f"Copied to {copy}. Next:  compile-doctor diagnose {copy}")
    return 0
