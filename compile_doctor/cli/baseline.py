"""`compile-doctor baseline update|diff|prune`."""

from __future__ import annotations

from dataclasses import replace

import click


@click.group(name="baseline", short_help="Write down what `check` compares with.")
def command() -> None:
    """Maintains the baselines: one small JSON file per target, torch minor version and device.

    \b
    Examples:
      compile-doctor baseline update
      compile-doctor baseline diff --from 2.12 --to 2.13
      compile-doctor baseline prune
    """


@command.command(short_help="Diagnose, and write down what was found.")
@click.argument("names", nargs=-1, metavar="[TARGET]…")
@click.option("--backend", metavar="NAME", help="For all targets; as for `check`.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Targets at a time, as far as memory allows [1].")
def update(names: tuple[str, ...], backend: str | None, jobs: int | None) -> int:
    """Runs the targets, all or those named, and writes their baselines for this torch and device. Others are left alone.

    Refused where the environment has CI=true: a gate that writes its own baseline is none.

    \b
    Example:
      compile-doctor baseline update vit
    """
    from compile_doctor.errors import UsageError
    from compile_doctor.gate.config import choose, in_ci
    from compile_doctor.run.fork_server import fork_server

    if in_ci():
        raise UsageError("CI is set: a gate that writes its own baseline is none.", hint="Run it where you work.")
    configuration, targets = choose(names)
    configuration = replace(configuration, jobs=jobs or configuration.jobs)
    with fork_server(sum(not target.patches for target in targets), configuration.jobs, at_once=True) as forks:
        from compile_doctor.cli.gate import update_baselines

        return update_baselines(configuration, targets, forks, backend)


@command.command(short_help="What another torch changed, apart from what you changed.")
@click.option("--from", "old", required=True, metavar="VERSION", help="torch minor version, such as 2.12.")
@click.option("--to", "new", required=True, metavar="VERSION", help="The other one.")
def diff(old: str, new: str) -> int:
    """Compares the stored baselines of two torch versions; runs nothing. Exit code 3 where nothing can be compared.

    \b
    Example:
      compile-doctor baseline diff --from 2.12 --to 2.13
    """
    from compile_doctor.cli.baseline_diff import diff_baselines

    return diff_baselines(old, new)


@command.command(short_help="Delete the baselines of targets that are configured no more.")
@click.option("--dry-run", is_flag=True, help="Say which, and delete nothing.")
def prune(dry_run: bool) -> int:
    """Deletes baselines whose target is not in the configuration; those of other torch versions stay.

    \b
    Example:
      compile-doctor baseline prune --dry-run
    """
    from compile_doctor.cli.gate import prune_baselines

    return prune_baselines(dry_run)
