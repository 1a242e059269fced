"""`compile-doctor check`."""

from __future__ import annotations

from dataclasses import replace

import click

from compile_doctor.cli.options import OutputOptions, files_option, gathered


@click.command(name="check", short_help="The pre-merge gate: compare every configured target with its baseline.")
@click.argument("names", nargs=-1, metavar="[TARGET]…")
@click.option(
    "--backend",
    metavar="NAME",
    help="torch.compile's backend for all targets; `eager` is quick, and shows breaks and recompiles but no kernels.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Targets that run in parallel, if memory allows [1].")
@click.option(
    "--owners",
    metavar="LIST",
    help="Whose findings fail: mine, dependency, torch, with commas between [mine].",
)
@click.option("--strict-baseline", is_flag=True, help="Fail also if a target is better than its baseline records.")
@click.option(
    "--cache/--no-cache",
    "cached",
    default=None,
    help="Take the results of unchanged targets from the cache [yes, unless CI=true].",
)
@gathered(
    OutputOptions,
    "output",
    click.option("--format", metavar="NAME", default="text", show_default=True, help="What to print on stdout."),
    files_option((), "Also write a file; may be repeated."),
    click.option("-v", "--verbose", count=True, help="Show the full report of each target."),
    click.option("-q", "--quiet", is_flag=True, help="Print only if something fails."),
)
def command(
    names: tuple[str, ...],
    backend: str | None,
    jobs: int | None,
    owners: str | None,
    strict_baseline: bool,
    cached: bool | None,
    output: OutputOptions,
) -> int:
    """Diagnoses the targets of [tool.compile-doctor] in pyproject.toml and compares each with its baseline.

    Exit code 0: as good as the baseline, or better; 1: something got worse; 3: something could not be checked.

    \b
    Examples:
      compile-doctor check
      compile-doctor check --backend eager -j 2
      compile-doctor check vit -o sarif:compile-doctor.sarif
    """
    from compile_doctor.gate.config import choose, in_ci, parse_owners
    from compile_doctor.run.fork_server import fork_server

    configuration, targets = choose(names)
    configuration = replace(
        configuration,
        jobs=jobs or configuration.jobs,
        owners=configuration.owners if owners is None else parse_owners(owners),
    )
    use_cache = next(one for one in (cached, configuration.cache, not in_ci()) if one is not None)
    children = sum(not (target.patches or target.command) for target in targets)
    with fork_server(children, configuration.jobs, at_once=not use_cache) as forks:
        from compile_doctor.cli.gate import check_targets

        return check_targets(configuration, targets, forks, backend, strict_baseline, use_cache, output)
