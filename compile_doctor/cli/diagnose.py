"""`compile-doctor diagnose TARGET`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from compile_doctor.cli.output import Seconds, check_outputs, finish, patches_option, prepare, report_options
from compile_doctor.errors import UsageError


def check_size(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """`8GB`, `512M` or plain bytes."""
    from compile_doctor.model.sizes import parse_size

    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(name="diagnose", short_help="Run a model under torch.compile and say what went wrong.")
@click.argument("target")
@click.option("--device", metavar="NAME", help="Move model and inputs there first (cpu, cuda, …).")
@click.option(
    "--tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Passed to example_inputs(tokens=N), up a short ladder of sizes.",
)
@click.option(
    "--backend",
    metavar="NAME",
    help="torch.compile's backend [inductor]. eager sees breaks and recompiles, not kernels, and is quick.",
)
@click.option("--mode", metavar="NAME", help="torch.compile's mode (reduce-overhead, max-autotune, …).")
@click.option("--dynamic/--no-dynamic", default=None, help="torch.compile's dynamic= [let torch decide].")
@click.option("--grad", is_flag=True, help="Run forward and backward; without it, forward under torch.no_grad().")
@click.option(
    "--numerics",
    is_flag=True,
    help="Compare exactly with eager and float64: outputs, state, with --grad gradients; decoding with the full run.",
)
@click.option("--as-is", is_flag=True, help="Do not compile the target: it does so itself.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Calls, where the target has one set of inputs.",
)
@click.option(
    "--capture", type=click.Path(path_type=Path), metavar="DIR", help="Keep the evidence there, for `report`."
)
@click.option(
    "--timeout",
    type=Seconds(),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop the target then.",
)
@click.option(
    "--memory-limit", metavar="SIZE", callback=check_size, help="Private memory that the target may use, such as 8GB."
)
@click.option(
    "--require-fused", is_flag=True, help="Exit 1 where attention runs dense, 3 where it is not proven to be fused."
)
@patches_option
@click.option(
    "--try-recipes", is_flag=True, help="Run again with the recipes that the findings name, and show what changes."
)
@report_options
def command(
    target: str,
    device: str | None,
    tokens: int | None,
    backend: str | None,
    mode: str | None,
    dynamic: bool | None,
    grad: bool,
    numerics: bool,
    as_is: bool,
    repeat: int,
    capture: Path | None,
    timeout: float,
    memory_limit: int | None,
    require_fused: bool,
    patches: str | None,
    try_recipes: bool,
    format_: str,
    output: tuple[str, ...],
    fail_on: str,
    verbose: int,
    quiet: bool,
) -> int:
    """Runs TARGET in a child process under torch.compile, once more in eager mode, and reports what was seen.

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
    from compile_doctor.model.asked import Settings
    from compile_doctor.processes.scratch import scratch
    from compile_doctor.run.launch import diagnose
    from compile_doctor.run.progress import Progress
    from compile_doctor.targets.target import not_a_target, parse_target

    check_outputs(output)
    parsed = parse_target(target)
    settings = Settings(
        device,
        tokens,
        backend,
        mode,
        dynamic,
        grad,
        as_is,
        repeat,
        timeout,
        memory_limit,
        require_fused,
        patches,
        numerics,
    )
    prepare()
    with ExitStack() as stack:
        folder = capture or stack.enter_context(scratch())
        evidence = diagnose(parsed, settings, folder.resolve(), capture is not None, Progress(quiet))
        if evidence.facts.usage:
            raise UsageError(f"torch.compile refuses these options: {evidence.facts.usage}")
        message = evidence.facts.not_a_target
        if message:
            raise UsageError(str(message), hint=not_a_target())
        if try_recipes:
            from compile_doctor.cli.trial import finish_trial

            return finish_trial(evidence, parsed, settings, folder.resolve(), format_, output, fail_on, verbose, quiet)
        return finish(evidence, format_, output, fail_on, verbose, quiet)
