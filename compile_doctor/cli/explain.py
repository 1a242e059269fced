"""`compile-doctor explain CODE`."""

from __future__ import annotations

import click

from compile_doctor.cli.output import answer


@click.command(name="explain", short_help="What a code means and how to fix it.")
@click.argument("code")
def command(code: str) -> int:
    """Explains CODE: one of ours (CD101, or its name graph-break), or one of torch's (GB0170).

    A JSON document's `schema` (compile-doctor/report/1) prints its JSON Schema.

    \b
    Examples:
      compile-doctor explain CD102
      compile-doctor explain GB0170
      compile-doctor explain compile-doctor/report/1
    """
    from compile_doctor.report.explain import explain

    answer(explain(code))
    return 0
