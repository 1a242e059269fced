"""`compile-doctor diagnose TARGET`."""

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
    gathered,
    grad_option,
    memory_limit_option,
    mode_option,
    patches_option,
    repeat_option,
    report_options,
    settings,
    timeout_option,
)
from compile_doctor.cli.output import finish, prepare
from compile_doctor.errors import UsageError


@click.command(name="diagnose", short_help="Run a model under torch.compile and report what went wrong.")
@click.argument("target")
@gathered(
    CompileOptions,
    "compiling",
    device_option,
    click.option(
        "--tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Pass N to example_inputs(tokens=N), after a few smaller sizes.",
    ),
    click.option(
        "--backend",
        metavar="NAME",
        help="torch.compile's backend [inductor]; `eager` is quick, and shows breaks and recompiles but no kernels.",
    ),
    mode_option,
    dynamic_option,
    grad_option,
    click.option(
        "--numerics",
        is_flag=True,
        help="Compare outputs, state and (with --grad) gradients with eager and float64, decoding with the full run.",
    ),
    as_is_option,
    arguments_option,
)
@gathered(
    RunOptions,
    "running",
    repeat_option,
    capture_option(),
    timeout_option("Stop the target after this time."),
    memory_limit_option("Limit for the private memory of the target, such as 8GB."),
    click.option(
        "--require-fused", is_flag=True, help="Exit 1 if attention runs dense, 3 if it is not proven to be fused."
    ),
    click.option(
        "--require-cudagraphs",
        is_flag=True,
        help="Exit 1 if a graph is not captured whole as a CUDA graph, 3 if that is not known.",
    ),
    patches_option,
    click.option(
        "--try-recipes", is_flag=True, help="Run again with the recipes that the findings name, and show what changes."
    ),
)
@report_options
def command(target: str, compiling: CompileOptions, running: RunOptions, output: OutputOptions) -> int:
    """Runs TARGET in a child process under torch.compile, then in eager mode, and reports what went wrong.

    \b
    TARGET is one of
      model.py           with build_model() and example_inputs(), or Model and get_inputs()
      model.py:attr      a module, a callable or a factory; package.module:attr too
      example:NAME       see `compile-doctor examples`; example:NAME:ATTR for a variant

    \b
    Examples:
      compile-doctor diagnose model.py
      compile-doctor diagnose model.py --grad --capture run1 -v
      compile-doctor diagnose model.py --tokens 16384 --require-fused
      compile-doctor diagnose model.py --try-recipes
      compile-doctor diagnose model.py --numerics --grad
      compile-doctor diagnose mypackage.vit:build --backend eager --format json
    """
    from compile_doctor.processes.children import Start, watch
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.launch import diagnose
    from compile_doctor.run.progress import Progress
    from compile_doctor.run.target_output import held_back
    from compile_doctor.targets.target import not_a_target, parse_target

    parsed, wanted = parse_target(target), settings(compiling, running)
    prepare()
    with ExitStack() as stack:
        folder = (running.capture or stack.enter_context(scratch())).resolve()
        start: Start = watch
        show = None
        if not output.verbose:  # with -v the output appears as it is written
            start, show = stack.enter_context(held_back(parsed.text, watch))
        evidence = diagnose(parsed, wanted, folder, running.capture is not None, Progress(output.quiet), start)
        if evidence.facts.usage:
            raise UsageError(f"torch.compile refuses these options: {evidence.facts.usage}")
        message = evidence.facts.not_a_target
        if message:
            raise UsageError(str(message), hint=not_a_target())
        if running.try_recipes:
            from compile_doctor.cli.trial import finish_trial

            return finish_trial(evidence, parsed, wanted, folder, output, start, show)
        return finish(evidence, output, show)
