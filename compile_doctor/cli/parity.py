"""`compile-doctor parity --suite | TARGET`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from compile_doctor.cli.options import (
    CompileOptions,
    OutputOptions,
    RunOptions,
    Seconds,
    capture_option,
    files_option,
    format_option,
    gathered,
    patches_option,
    settings,
)
from compile_doctor.cli.output import write
from compile_doctor.errors import UsageError
from compile_doctor.render import formats, parity_renderer

if TYPE_CHECKING:
    from compile_doctor.parity.result import Parity

DTYPES = ("float32", "bfloat16", "float16")


@click.command(name="parity", short_help="Check that attention, or a compiled model, computes the right values.")
@click.argument("target", required=False)
@click.option(
    "--suite", is_flag=True, help="Check every implementation in torch, over masks, decoding, heads and dtypes."
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice([*DTYPES, "all"]),
    help="dtype of the suite; may be repeated [float32].",
)
@click.option("--device", metavar="NAME", default=None, help="cpu, cuda, … [cpu].")
@click.option(
    "--direction",
    type=click.Choice(["forward", "backward", "both"]),
    default="both",
    show_default=True,
    help="Compare outputs, the gradients of q, k and v, or both.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Cases, heads or implementations: 'causal*', gqa, 'sdpa-*'; may be repeated.",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 64), help="Parallel processes [one per core, at most 4].")
@click.option("--seed", type=click.IntRange(0), help="Seed of the suite's random inputs [0].")
@click.option("--grad/--no-grad", default=None, help="Compare a model's gradients too [if it has any].")
@click.option(
    "--chunk",
    "chunks",
    type=click.IntRange(1),
    multiple=True,
    metavar="N",
    help="Positions per step, for a model that decodes; may be repeated [1, and a few larger ones].",
)
@click.option("--tokens", type=click.IntRange(1), metavar="N", help="For a model: pass N to example_inputs(tokens=N).")
@click.option("--backend", metavar="NAME", help="For a model: torch.compile's backend [inductor].")
@click.option("--as-is", is_flag=True, help="Do not compile the model, because it calls torch.compile itself.")
@capture_option("Keep a model's evidence in this folder, for `report`.")
@click.option("--resume", is_flag=True, help="Go on with the last run of the same command, which was interrupted.")
@click.option(
    "--timeout",
    type=Seconds(),
    metavar="SECONDS",
    help="Limit for one comparison of the suite, including its compilation [300], or for a model's whole run [900].",
)
@patches_option
@gathered(CompileOptions, "compiling")
@gathered(RunOptions, "running")
@gathered(
    OutputOptions,
    "output",
    format_option(formats("parity"), "What to print on stdout."),
    files_option(formats("parity"), "Also write a file; may be repeated."),
    click.option("-v", "--verbose", count=True, help="Show a row for each kind of heads, with every figure."),
    click.option("-q", "--quiet", is_flag=True, help="No progress; print only if something fails."),
)
def command(
    target: str | None,
    suite: bool,
    dtypes: tuple[str, ...],
    direction: str,
    only: tuple[str, ...],
    jobs: int | None,
    seed: int | None,
    chunks: tuple[int, ...],
    resume: bool,
    compiling: CompileOptions,
    running: RunOptions,
    output: OutputOptions,
) -> int:
    """Compares attention with a plain float64 reference, or a compiled model with eager mode.

    \b
    TARGET is one of
      model.py            as for `diagnose`: compares compiled and eager outputs, gradients and state; if the file has
                          full(model, inputs) and incremental(model, inputs, chunk), also decoding with the full run
      file.py:attention   attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None), with the shapes of
                          flex_attention: runs the suite's cases; it may raise NotImplementedError for some

    Exit code 0: everything that was compared is right; 1: something is wrong; 3: nothing could be compared.
    Ctrl-C shows what was compared until then; --resume goes on from there.

    \b
    Examples:
      compile-doctor parity --suite
      compile-doctor parity --suite --dtype all --only 'causal*' --only gqa -j 2
      compile-doctor parity my_attention.py:attention --direction forward
      compile-doctor parity gpt.py --chunk 1 --chunk 16
      compile-doctor parity --suite --device cuda --dtype bfloat16 -o markdown:parity.md
    """
    if suite == (target is not None):
        raise UsageError("Give either a TARGET or --suite.", hint="compile-doctor parity --help")
    from compile_doctor.parity.suite import SuiteSettings, run_suite
    from compile_doctor.run.progress import Progress

    chosen, progress = None, Progress(output.quiet)
    if target is not None:
        from compile_doctor.targets.signature import attention_function, why_none
        from compile_doctor.targets.target import parse_target

        parsed = parse_target(target)
        chosen = attention_function(parsed)
        if chosen is None:
            if why := why_none(parsed):
                raise UsageError(f"{target} is not a valid target: neither an attention function nor a model. {why}")
            about = "the suite and for attention functions"
            _refuse(about, f"{target} is a model", only=only, seed=seed, dtype=dtypes, jobs=jobs, resume=resume or None)
            from compile_doctor.cli.parity_model import model_parity

            wanted = settings(compiling, running, chunks=chunks)
            return _write(model_parity(parsed, wanted, compiling.grad, progress, running.capture), output)
    _refuse(
        "models",
        f"{target} is an attention function" if target else "--suite has none",
        chunk=chunks,
        tokens=compiling.tokens,
        backend=compiling.backend,
        grad=compiling.grad,
        as_is=compiling.as_is or None,
        capture=running.capture,
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = jobs or min(4, cores)
    asked = SuiteSettings(
        dtypes=DTYPES if "all" in dtypes else tuple(dict.fromkeys(dtypes)) or ("float32",),
        directions=("forward", "backward") if direction == "both" else (direction,),
        device=compiling.device or "cpu",
        only=only,
        seed=seed or 0,
        threads=max(1, cores // jobs),
        timeout=running.timeout or 300.0,
        patches=running.patches,
        target=target,
        path=str(chosen.path) if chosen and chosen.path else None,
        module=chosen.module if chosen else None,
        attr=chosen.attr if chosen else None,
        name=(chosen.attr or "target").rpartition(".")[2] if chosen else "target",
    )
    return _write(run_suite(asked, jobs, progress, resume), output)


def _write(found: Parity, output: OutputOptions) -> int:
    write(found, parity_renderer, output, failed=found.exit_code != 0)
    return found.exit_code


def _refuse(about: str, here: str, **options: Any) -> None:
    """Raises UsageError for an option that would have no effect."""
    for name, value in options.items():
        if value not in (None, ()):
            raise UsageError(f"--{name.replace('_', '-')} is for {about}, and {here}. Omit it.")
