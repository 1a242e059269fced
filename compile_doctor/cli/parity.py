"""`compile-doctor parity --suite | TARGET`."""

from __future__ import annotations

import os

import click

from compile_doctor.cli.output import Seconds, patches_option
from compile_doctor.errors import UsageError

DTYPES = ("float32", "bfloat16", "float16")


@click.command(name="parity", short_help="Does attention compute the right thing?")
@click.argument("target", required=False)
@click.option(
    "--suite", is_flag=True, help="Every implementation that torch has, over masks, decoding, heads and dtypes."
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice([*DTYPES, "all"]),
    help="May be repeated [float32].",
)
@click.option("--device", metavar="NAME", default=None, help="cpu, cuda, … [cpu].")
@click.option(
    "--direction",
    type=click.Choice(["forward", "backward", "both"]),
    default="both",
    show_default=True,
    help="Outputs, the gradients of q, k and v, or both.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Cases, heads or implementations: 'causal*', gqa, 'sdpa-*'; may be repeated.",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 64), help="Processes at a time [2, or 1 where there is one core].")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the random inputs.")
@click.option(
    "--timeout",
    type=Seconds(),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="For one comparison, its compilation included.",
)
@patches_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="What to print on stdout.",
)
@click.option("-o", "--output", multiple=True, metavar="FORMAT:PATH", help="Also write a file; may be repeated.")
@click.option("-v", "--verbose", count=True, help="A row for each kind of heads, with every figure.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only where something fails.")
def command(
    target: str | None,
    suite: bool,
    dtypes: tuple[str, ...],
    device: str | None,
    direction: str,
    only: tuple[str, ...],
    jobs: int | None,
    seed: int,
    timeout: float,
    patches: str | None,
    format_: str,
    output: tuple[str, ...],
    verbose: int,
    quiet: bool,
) -> int:
    """Compares attention with a float64 reference that is written out plainly.

    \b
    TARGET is an attention function, run through the suite's cases with their masks:
      file.py:attention   attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None)
    with the shapes of flex_attention; NotImplementedError means that it does not support the case.

    Exit code 0: something was compared, and all of it is right; 1: something is wrong; 3: nothing could be run.

    \b
    Examples:
      compile-doctor parity --suite
      compile-doctor parity --suite --dtype all --only 'causal*' --only gqa -j 2
      compile-doctor parity my_attention.py:attention --direction forward
      compile-doctor parity --suite --device cuda --dtype bfloat16 -o markdown:parity.md
    """
    from compile_doctor.cli.parity_output import check_parity_outputs, write_parity

    writers = check_parity_outputs(output)
    if suite == (target is not None):
        raise UsageError("Give either a TARGET or --suite.", hint="compile-doctor parity --help")
    from compile_doctor.parity.suite import SuiteSettings, run_suite
    from compile_doctor.progress import Progress

    chosen = None
    if target is not None:
        from compile_doctor.parity.signature import attention_function
        from compile_doctor.targets import parse_target

        parsed = parse_target(target)
        chosen = attention_function(parsed)
        if chosen is None:
            raise UsageError(
                f"{target} is no attention function.",
                hint="One has the parameters (q, k, v, *, mask_mod=None, score_mod=None, scale=None): "
                "`compile-doctor parity FILE.py:attention`.",
            )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = jobs or min(2, cores)
    settings = SuiteSettings(
        dtypes=DTYPES if "all" in dtypes else tuple(dict.fromkeys(dtypes)) or ("float32",),
        directions=("forward", "backward") if direction == "both" else (direction,),
        device=device or "cpu",
        only=only,
        seed=seed,
        threads=max(1, cores // jobs),
        timeout=timeout,
        patches=patches,
        target=target,
        path=str(chosen.path) if chosen and chosen.path else None,
        module=chosen.module if chosen else None,
        attr=chosen.attr if chosen else None,
        name=(chosen.attr or "target").rpartition(".")[2] if chosen else "target",
    )
    return write_parity(run_suite(settings, jobs, Progress(quiet)), format_, writers, verbose, quiet)
