"""`compile-doctor coldstart TARGET`."""

from __future__ import annotations

from contextlib import ExitStack

import click

from compile_doctor.cli.options import (
    CompileOptions,
    OutputOptions,
    RunOptions,
    arguments_option,
    as_is_option,
    capture_option,
    device_option,
    dynamic_option,
    fail_on_option,
    files_option,
    format_option,
    gathered,
    grad_option,
    memory_limit_option,
    mode_option,
    repeat_option,
    settings,
    timeout_option,
)
from compile_doctor.render import coldstart_renderer, formats


@click.command(name="coldstart", short_help="Start a model twice, and show what a warm cache saves.")
@click.argument("target")
@gathered(
    CompileOptions,
    "compiling",
    device_option,
    mode_option,
    dynamic_option,
    grad_option,
    as_is_option,
    arguments_option,
)
@gathered(
    RunOptions,
    "running",
    repeat_option,
    capture_option(),
    timeout_option("Stop each start after this time."),
    memory_limit_option("Limit for the private memory of the target, such as 8GB."),
)
@click.option("--own-cache", is_flag=True, help="Also start it with your own cache, as it is.")
@click.option(
    "--starts",
    type=click.IntRange(1),
    help="Make each start so often, in turn, to know the spread of its times [1; with --try 3].",
)
@click.option("--try", "tries", is_flag=True, help="Also make the starts that measure the gain of what would help.")
@gathered(
    OutputOptions,
    "output",
    format_option(formats("coldstart")),
    files_option(formats("coldstart"), "Also write the result to a file; may be repeated."),
    fail_on_option,
    click.option("-v", "--verbose", count=True, help="Show all graphs and notes."),
    click.option(
        "-q", "--quiet", is_flag=True, help="No progress on stderr; print the result only if something fails."
    ),
)
def command(
    target: str,
    compiling: CompileOptions,
    running: RunOptions,
    own_cache: bool,
    tries: bool,
    starts: int | None,
    output: OutputOptions,
) -> int:
    """Starts TARGET in two new processes: with an empty cache on disk, then with what the first start left there.

    \b
    Shows where the time of both went, which graphs the cache had or not and why,
    and what would make a start shorter. TARGET is as for `diagnose`.

    \b
    Examples:
      compile-doctor coldstart model.py
      compile-doctor coldstart model.py --grad --try
      compile-doctor coldstart model.py --starts 5
      compile-doctor coldstart model.py --own-cache --fail-on warning --format json
    """
    from compile_doctor.cli.output import write
    from compile_doctor.coldstart.run import coldstart
    from compile_doctor.processes.children import Start, watch
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.progress import Progress
    from compile_doctor.run.target_output import held_back
    from compile_doctor.targets.target import parse_target

    parsed, wanted = parse_target(target), settings(compiling, running)
    with ExitStack() as stack:
        folder = (running.capture or stack.enter_context(scratch())).resolve()
        keep = running.capture is not None
        start: Start = watch
        show = None
        if not output.verbose:  # with -v the output appears as it is written
            start, show = stack.enter_context(held_back(parsed.text, watch))
        found = coldstart(parsed, wanted, folder, keep, Progress(output.quiet), own_cache, tries, start, starts)
        code = found.exit_code(output.fail_on)
        if show and found.problem:
            show()
    write(found, coldstart_renderer, output, failed=code != 0)
    return code
