"""`compile-doctor explain CODE`, and `explain N` for a finding of the last report."""

from __future__ import annotations

import click

from compile_doctor.cli.output import answer


@click.command(name="explain", short_help="Explain a code, or a finding of the last report.")
@click.argument("code")
def command(code: str) -> int:
    """Explains CODE: a code of compile-doctor (CD101, or its name graph-break) or of torch (GB0170).

    For a number, shows that finding of the last report in full: `diagnose`, `run` and `report` keep theirs in the user's
    cache folder.

    For the `schema` of a JSON document (compile-doctor/report/1), prints its JSON Schema. `skill` prints instructions
    for coding assistants.

    \b
    Examples:
      compile-doctor explain CD102
      compile-doctor explain 2
      compile-doctor explain GB0170
      compile-doctor explain compile-doctor/report/1
      compile-doctor explain skill
    """
    if code.isdecimal():
        from compile_doctor.cli.last_report import recall

        answer(recall(int(code)))
        return 0
    from compile_doctor.report.explain import explain

    answer(explain(code))
    return 0
