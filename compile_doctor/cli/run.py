"""`compile-doctor run -- CMD…`."""

from __future__ import annotations

from contextlib import ExitStack

import click

from compile_doctor.cli.options import (
    OutputOptions,
    RunOptions,
    Seconds,
    capture_option,
    gathered,
    patches_option,
    report_options,
)
from compile_doctor.cli.output import finish, prepare


@click.command(
    name="run",
    short_help="Observe a program that calls torch.compile itself.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@gathered(
    RunOptions,
    "running",
    capture_option(),
    click.option("--timeout", type=Seconds(), metavar="SECONDS", help="Stop the command after this time [never]."),
    click.option(
        "--memory", is_flag=True, help="Measure attention's memory: profile two calls of each graph that has it."
    ),
    patches_option,
)
@report_options
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
def command(cmd: tuple[str, ...], running: RunOptions, output: OutputOptions) -> int:
    """Runs CMD unchanged and reports what torch.compile did in it and in every process that it starts.

    The command's output goes to stderr, the report to stdout. If the command fails, its exit status is passed on.

    \b
    Examples:
      compile-doctor run -- python train.py --steps 10
      compile-doctor run --capture run1 -- torchrun --nproc-per-node 2 train.py
      compile-doctor run --memory -- python train.py --steps 3
      compile-doctor run -- pytest tests/test_model.py
      compile-doctor run --patches auto -- python train.py
    """
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.launch import run_command

    prepare()
    with ExitStack() as stack:
        folder = (running.capture or stack.enter_context(scratch())).resolve()
        kept = running.capture is not None
        evidence = run_command(cmd, running.timeout, folder, kept, running.patches, memory=running.memory)
        return finish(evidence, output)
