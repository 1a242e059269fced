"""`compile-doctor fix TARGET`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from compile_doctor.cli.options import (
    CompileOptions,
    OutputOptions,
    RunOptions,
    Seconds,
    as_is_option,
    device_option,
    dynamic_option,
    files_option,
    format_option,
    gathered,
    memory_limit_option,
    mode_option,
    settings,
    timeout_option,
)
from compile_doctor.errors import DoctorError
from compile_doctor.render import fix_renderer, formats


@click.command(name="fix", short_help="Rewrite what breaks compilation, run it again, and keep what is proven better.")
@click.argument("target")
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the changed files here, as they lie below the working directory; `.` changes them in place.",
)
@click.option(
    "--vendor",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also rewrite installed packages, in a patched copy here.",
)
@click.option(
    "--budget",
    type=Seconds(),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop searching after this time, and keep what was found.",
)
@click.option(
    "--inputs",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Other inputs, made from the target's own, on which results must be equal too.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Try only this rewrite; may be repeated.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep what was tried in this folder; the same command continues from there.",
)
@click.option("--time/--no-time", "timed", default=True, help="Measure a compiled call before and after [yes].")
@gathered(
    CompileOptions,
    "compiling",
    device_option,
    click.option("--tokens", type=click.IntRange(1), metavar="N", help="Pass N to example_inputs(tokens=N)."),
    click.option("--backend", metavar="NAME", help="torch.compile's backend [inductor]."),
    mode_option,
    dynamic_option,
    click.option("--grad", is_flag=True, help="Run forward and backward, compiled too."),
    as_is_option,
)
@gathered(
    RunOptions,
    "running",
    timeout_option("Limit for each run of the target."),
    memory_limit_option("Limit for the private memory of the target, such as 8GB."),
)
@gathered(
    OutputOptions,
    "output",
    format_option(formats("fix"), "What to print on stdout."),
    files_option(formats("fix"), "Also write the result to a file; may be repeated."),
    click.option("-v", "--verbose", count=True, help="Show what was tried and dropped, too."),
    click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
)
def command(
    target: str,
    write: Path | None,
    vendor: Path | None,
    budget: float,
    inputs: int,
    only: tuple[str, ...],
    resume: Path | None,
    timed: bool,
    compiling: CompileOptions,
    running: RunOptions,
    output: OutputOptions,
) -> int:
    """Rewrites the lines of TARGET that its diagnosis names, in a copy, and keeps only what is better when it runs.

    A rewrite is kept if its finding is gone, nothing new came, and outputs, gradients and state equal those of the original
    on the target's inputs and on others. Nothing is written without --write or --vendor.

    \b
    Exit code 0: no finding of severity error is left; 1: some are; 2: wrong usage; 3: no verdict; 130: Ctrl-C.

    \b
    Examples:
      compile-doctor fix model.py
      compile-doctor fix model.py --write .
      compile-doctor fix model.py --grad -o patch:fix.patch
      compile-doctor fix example:four-breaks --write fixed
      compile-doctor fix model.py --vendor patched --budget 1800 --resume .fix
    """
    from compile_doctor.cli.output import write as print_result
    from compile_doctor.mend.options import Options, check_names
    from compile_doctor.mend.search import Search
    from compile_doctor.mend.write import check_folder, write_files, write_packages
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.fork_server import fork_server
    from compile_doctor.run.progress import Progress
    from compile_doctor.run.target_output import held_back
    from compile_doctor.targets.target import parse_target

    parsed = parse_target(target)
    check_names(only)
    for option, folder in (("--write", write), ("--vendor", vendor)):
        if folder is not None:
            check_folder(option, folder)
    options = Options(budget, inputs, vendor is not None, only, timed, resume)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch("fix"))
        forks = stack.enter_context(fork_server(_MANY, 1, at_once=True))
        from compile_doctor.processes.children import Start, watch

        start: Start = watch if forks is None else forks.start
        show = None
        if not output.verbose:  # a search runs the target dozens of times: with -v the first run's output appears
            start, show = stack.enter_context(held_back(parsed.text, start))
        search = Search(parsed, settings(compiling, running), options, folder, start, Progress(output.quiet))
        mended = search.run()
        if show is not None and mended.verdict[0] == "inconclusive":
            show()
    problem: DoctorError | None = None
    try:
        written = [] if write is None else write_files(mended, write)
        packages = [] if vendor is None else write_packages(mended, vendor)
        mended = mended.with_written(written, packages, vendor)
    except DoctorError as error:  # what took minutes is shown before it is reported
        problem = error
    print_result(mended, fix_renderer, output, failed=True)
    if problem is not None:
        raise problem
    return mended.exit_code


_MANY = 1_000
"""Children that a search may start: the fork server prepares the next one as long as more are expected."""
