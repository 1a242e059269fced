"""`compile-doctor explain CODE`."""

from __future__ import annotations

import click

from compile_doctor.cli.output import answer


@click.command(name="explain", short_help="Explain what a code means and how to fix it.")
@click.argument("code")
def command(code: str) -> int:
    """Explains CODE: a code of compile-doctor (CD101, or its name graph-break) or of torch (GB0170).

    For the `schema` of a JSON document (compile-doctor/report/1), prints its JSON Schema. `skill` prints instructions
    for coding assistants.

    \b
    Examples:
      compile-doctor explain CD102
      compile-doctor explain GB0170
      compile-doctor explain compile-doctor/report/1
      compile-doctor explain skill
    """
    from compile_doctor.report.explain import explain

    answer(explain(code))
    return 0
