"""`compile-doctor bench TARGET|--suite`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from compile_doctor.cli.options import (
    OutputOptions,
    Seconds,
    files_option,
    format_option,
    gathered,
    memory_limit_option,
    patches_option,
)
from compile_doctor.errors import UsageError
from compile_doctor.render import bench_renderer, formats

DTYPES = ("float32", "bfloat16", "float16", "float64")


def _sizes(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    """`512,1024,2048`, sorted, each once."""
    if text is None:
        return ()
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 1:
        raise click.BadParameter(f"{text!r} is not a valid list of sizes. Give positive integers: 512,1024,2048.")
    return tuple(sizes)


@click.command(name="bench", short_help="Measure a compiled model, or eager, SDPA and flex attention.")
@click.argument("target", required=False)
@click.option("--suite", is_flag=True, help="Measure attention itself instead of a target.")
@click.option(
    "--tokens",
    metavar="N,…",
    callback=_sizes,
    help="Numbers of tokens; for a target, passed to example_inputs(tokens=N).",
)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Batch size of attention.")
@click.option("--heads", type=click.IntRange(1), default=8, show_default=True, help="Query heads of attention.")
@click.option("--kv-heads", type=click.IntRange(1), help="Key and value heads of attention, in every case.")
@click.option("--head-dim", type=click.IntRange(1), default=64, show_default=True, help="Size of one head.")
@click.option("--dtype", type=click.Choice(DTYPES), default="float32", show_default=True, help="dtype of attention.")
@click.option("--device", metavar="NAME", help="The device to run on (cpu, cuda, …).")
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="Cases or implementations: 'causal*', 'sdpa-*'; may be repeated."
)
@click.option("--backend", metavar="NAME", help="torch.compile's backend for a model [inductor].")
@click.option("--mode", metavar="NAME", help="torch.compile's mode for a model (max-autotune, …).")
@click.option("--dynamic/--no-dynamic", default=None, help="torch.compile's dynamic= for a model.")
@click.option("--grad", is_flag=True, help="Measure forward and backward together too.")
@click.option("--as-is", is_flag=True, help="Do not compile the target, because it calls torch.compile itself.")
@click.option(
    "--seconds",
    type=Seconds(),
    default=0.5,
    show_default=True,
    help="Measuring time for each row; longer if the times are noisy.",
)
@click.option(
    "--timeout",
    type=Seconds(),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Limit for each case at each size, including its compilations.",
)
@memory_limit_option("Limit for the private memory of each process, such as 8GB.")
@patches_option
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Plot time over tokens to a .svg or .png file.",
)
@gathered(
    OutputOptions,
    "output",
    format_option(formats("bench")),
    files_option(formats("bench"), "Also write the result to a file; may be repeated."),
    click.option("-q", "--quiet", is_flag=True, help="No progress on stderr."),
)
@click.pass_context
def command(
    context: click.Context,
    /,
    target: str | None,
    suite: bool,
    plot: Path | None,
    output: OutputOptions,
    **options: Any,
) -> int:
    """Measures TARGET in eager mode and compiled, or with --suite every available implementation of attention.

    \b
    Times are medians of torch.utils.benchmark, interleaved, after compilation and a comparison of the outputs.
    TARGET is as for `diagnose`. A model with full() and incremental() is measured in prefill and decode,
    a function attention(q, k, v, *, mask_mod, score_mod, scale) together with the implementations of the suite.

    \b
    Examples:
      compile-doctor bench model.py
      compile-doctor bench model.py --tokens 512,1024,2048 --grad
      compile-doctor bench --suite --tokens 512,1024,2048 --heads 8 --kv-heads 2 --plot bench.svg
      compile-doctor bench --suite --device cuda --dtype bfloat16 --only 'decode*' --format json
    """
    from compile_doctor.bench.run import BenchSettings, bench
    from compile_doctor.cli.output import write
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.render.plot import check_plot, plot_bench
    from compile_doctor.run.progress import Progress
    from compile_doctor.targets.target import parse_target

    if (target is None) != suite:
        raise UsageError("Give either a TARGET or --suite." if target is None else "Give TARGET or --suite, not both.")
    given = {name for name in options if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    if plot is not None:
        check_plot(plot)
    parsed = parse_target(target) if target is not None else None
    with scratch("bench") as folder:
        found = bench(parsed, BenchSettings(**options), given, folder, Progress(output.quiet))
    write(found, bench_renderer, replace(output, quiet=False), failed=False)  # `-q` is about progress only
    if plot is not None:
        plot_bench(found, plot)
    return found.exit_code
