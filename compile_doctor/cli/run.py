"""`compile-doctor run -- CMD…`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from compile_doctor.cli.output import Seconds, check_outputs, finish, patches_option, prepare, report_options


@click.command(
    name="run",
    short_help="Observe a program that compiles by itself.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--capture", type=click.Path(path_type=Path), metavar="DIR", help="Keep the evidence there, for `report`."
)
@click.option("--timeout", type=Seconds(), metavar="SECONDS", help="Stop the command then [never].")
@patches_option
@report_options
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
def command(
    cmd: tuple[str, ...],
    capture: Path | None,
    timeout: float | None,
    patches: str | None,
    format_: str,
    output: tuple[str, ...],
    fail_on: str,
    verbose: int,
    quiet: bool,
) -> int:
    """Runs CMD as it is and reports what torch.compile did in it and in every process that it starts.

    The command's output goes to stderr, the report to stdout. Where the command fails, its exit status is passed on.

    \b
    Examples:
      compile-doctor run -- python train.py --steps 10
      compile-doctor run --capture run1 -- torchrun --nproc-per-node 2 train.py
      compile-doctor run -- pytest tests/test_model.py
      compile-doctor run --patches auto -- python train.py
    """
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.launch import run_command

    check_outputs(output)
    prepare()
    with ExitStack() as stack:
        folder = capture or stack.enter_context(scratch())
        evidence = run_command(cmd, timeout, folder.resolve(), capture is not None, patches)
        return finish(evidence, format_, output, fail_on, verbose, quiet)
