"""`compile-doctor baseline update|diff|prune`."""

from __future__ import annotations

from dataclasses import replace

import click


@click.group(name="baseline", short_help="Record what `check` compares with.")
def command() -> None:
    """Maintains the baselines: one small JSON file per target, torch minor version and device.

    \b
    Examples:
      compile-doctor baseline update
      compile-doctor baseline diff --from 2.12 --to 2.13
      compile-doctor baseline prune
    """


@command.command(short_help="Diagnose, and record the results.")
@click.argument("names", nargs=-1, metavar="[TARGET]…")
@click.option("--backend", metavar="NAME", help="torch.compile's backend for all targets; as for `check`.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Targets that run in parallel, if memory allows [1].")
def update(names: tuple[str, ...], backend: str | None, jobs: int | None) -> int:
    """Runs all targets, or those named, and writes their baselines for this torch and device. Others are not changed.

    Refused if the environment has CI=true: a gate that writes its own baseline checks nothing.

    \b
    Example:
      compile-doctor baseline update vit
    """
    from compile_doctor.errors import UsageError
    from compile_doctor.gate.config import choose, in_ci
    from compile_doctor.run.fork_server import fork_server

    if in_ci():
        raise UsageError(
            "CI is set in the environment: a gate that writes its own baseline checks nothing.",
            hint="Run `compile-doctor baseline update` on your own machine, and commit the files.",
        )
    configuration, targets = choose(names)
    configuration = replace(configuration, jobs=jobs or configuration.jobs)
    with fork_server(
        sum(not (target.patches or target.command) for target in targets), configuration.jobs, at_once=True
    ) as forks:
        from compile_doctor.cli.gate import update_baselines

        return update_baselines(configuration, targets, forks, backend)


@command.command(short_help="Show what another version of torch changed.")
@click.option("--from", "old", required=True, metavar="VERSION", help="The first torch minor version, such as 2.12.")
@click.option("--to", "new", required=True, metavar="VERSION", help="The second torch minor version.")
def diff(old: str, new: str) -> int:
    """Compares the stored baselines of two torch versions; runs nothing. Exit code 3 if nothing can be compared.

    \b
    Example:
      compile-doctor baseline diff --from 2.12 --to 2.13
    """
    from compile_doctor.cli.baseline_diff import diff_baselines

    return diff_baselines(old, new)


@command.command(short_help="Delete the baselines of targets that are no longer configured.")
@click.option("--dry-run", is_flag=True, help="List the files, and delete nothing.")
def prune(dry_run: bool) -> int:
    """Deletes baselines whose target is not in the configuration; those of other torch versions are kept.

    \b
    Example:
      compile-doctor baseline prune --dry-run
    """
    from compile_doctor.cli.gate import prune_baselines

    return prune_baselines(dry_run)
