"""`compile-doctor matrix TARGET`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compile_doctor.cli.options import (
    OutputOptions,
    Seconds,
    capture_option,
    files_option,
    format_option,
    gathered,
    memory_limit_option,
)
from compile_doctor.errors import UsageError
from compile_doctor.render import formats, matrix_renderer

if TYPE_CHECKING:
    from compile_doctor.matrix.environments import Environment
    from compile_doctor.run.progress import Progress
    from compile_doctor.targets.target import Target

REPEAT = 3
"""Calls of the target in each cell: the time is that of the quickest after the first."""


def _versions(context: click.Context, parameter: click.Parameter, items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip()))


@click.command(name="matrix", short_help="Diagnose a target over versions of torch and variants, in one table.")
@click.argument("target")
@click.option(
    "--torch",
    "versions",
    multiple=True,
    metavar="VERSION,…",
    callback=_versions,
    help="Versions of torch; uv makes an environment for each. May be repeated [the torch that is installed].",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="PATH",
    help="A Python that has torch; may be repeated, with --torch too.",
)
@click.option(
    "--with", "more", multiple=True, metavar="REQUIREMENT", help="Install this too, for --torch; may be repeated."
)
@click.option(
    "--axis",
    "axes",
    multiple=True,
    metavar="NAME=VALUE,…",
    help="Vary (or, with one value, set) an option or an argument of build_model(); may be repeated.",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 64), help="Cells that run side by side, if memory allows.")
@click.option(
    "--ray", "address", metavar="ADDRESS", help="Run the cells as tasks of this Ray cluster (auto, HOST:PORT)."
)
@click.option("--resume", is_flag=True, help="Keep the cells of the last run that finished and still hold.")
@capture_option("Keep the evidence of the cells in this folder [one in the user's cache].")
@click.option(
    "--timeout", type=Seconds(), default=900.0, show_default=True, metavar="SECONDS", help="Limit for each cell."
)
@memory_limit_option("Limit for the private memory of each cell's target, such as 8GB.")
@gathered(
    OutputOptions,
    "output",
    format_option(formats("matrix"), "What to print on stdout."),
    files_option(formats("matrix"), "Also write a file; may be repeated."),
    click.option("-v", "--verbose", count=True, help="Show the reason or the cause of each cell in full."),
    click.option("-q", "--quiet", is_flag=True, help="No progress; print the table only if something fails."),
)
def command(
    target: str,
    versions: tuple[str, ...],
    pythons: tuple[str, ...],
    more: tuple[str, ...],
    axes: tuple[str, ...],
    jobs: int | None,
    address: str | None,
    resume: bool,
    capture: Path | None,
    timeout: float,
    memory_limit: int | None,
    output: OutputOptions,
) -> int:
    """Runs `diagnose TARGET` once for each torch and each combination of values, and prints one table.

    \b
    The axes are MATRIX in the target's file, and --axis, which replaces one of the same name:
      MATRIX = {"compile": ["off", "on"], "window": [None, 256]}
    compile, backend, mode, dynamic, grad, device, tokens and patches are options of `diagnose`;
    any other axis is an argument of build_model() or example_inputs(), as with `diagnose --set`.

    \b
    Exit code 0: every cell is healthy, or uncompiled as asked; 1: one is unhealthy;
    3: one has no verdict, or could not be run.

    \b
    Examples:
      compile-doctor matrix example:matrix --torch 2.8.0,2.13.0
      compile-doctor matrix model.py --axis compile=off,on --axis backend=inductor,eager
      compile-doctor matrix model.py --torch 2.13.0 --python ~/nightly/bin/python --resume
      compile-doctor matrix model.py --torch 2.13.0 --with torchao==0.18.0 -o markdown:matrix.md
      compile-doctor matrix model.py --torch 2.8.0,2.13.0 --ray auto
    """
    from compile_doctor.cli.output import write
    from compile_doctor.matrix import plan, run
    from compile_doctor.matrix.result import Matrix
    from compile_doctor.run.progress import Progress
    from compile_doctor.targets.target import parse_target
    from compile_doctor.targets.variants import axes_of

    parsed, progress = parse_target(target), Progress(output.quiet)
    varied = axes_of(parsed, axes)
    if more and not versions:
        raise UsageError("--with is for the environments of --torch. Omit it, or name a torch.")
    folder = (capture or _usual_folder(target)).resolve()
    shared = ["--repeat", str(REPEAT), *(["--memory-limit", str(memory_limit)] if memory_limit else [])]
    with run.held(folder):
        environments = _environments(parsed, versions, pythons, more, address is not None, progress)
        wanted = plan.cells(parsed, environments, varied, shared, timeout, folder)
        table = run.begin(wanted, folder, resume, progress)
        jobs = jobs or _jobs()
        if table.left:
            doctor = plan.copy_of_doctor(folder)
            if address is None:
                run.run_here(table, doctor, jobs)
            else:
                from compile_doctor.matrix.ray_cells import run_on_ray

                run_on_ray(table, doctor, address)
    found = Matrix(
        target, tuple(varied), table.cells, str(folder), _notes(table.cells, jobs, address), table.interrupted
    )
    write(found, matrix_renderer, output, failed=found.exit_code != 0)
    return found.exit_code


def _environments(
    target: Target,
    versions: tuple[str, ...],
    pythons: tuple[str, ...],
    more: tuple[str, ...],
    ray: bool,
    progress: Progress,
) -> list[Environment]:
    """On a Ray cluster the nodes make them, and a Python is one of the nodes."""
    from compile_doctor.matrix import environments
    from compile_doctor.targets.variants import requirements_of

    found = []
    for version in versions:
        needed = (*requirements_of(target, version), *more)
        if ray:
            listed = environments.all_requirements(version, needed)
            found.append(environments.Environment(version, "", listed))
            continue
        with progress.task(f"environment for torch {version}"):
            found.append(environments.make(version, needed))
    for python in pythons:
        found.append(environments.Environment(python, python) if ray else environments.existing(python))
    if found:
        return found
    return [environments.Environment("of the cluster") if ray else environments.current()]


def _usual_folder(target: str) -> Path:
    """In the user's cache, one for each target and working directory. Raises UsageError without a home directory."""
    from compile_doctor.processes.cache_place import cache_place

    place = cache_place()
    if place is None:
        raise UsageError("There is no home directory to keep the cells in. Give a folder with --capture.")
    return place / "matrix" / hashlib.sha256(f"{os.getcwd()}\0{target}".encode()).hexdigest()[:12]


def _jobs() -> int:
    """Half of the cores, because each cell compiles and computes with several threads; one on a machine with a GPU."""
    from compile_doctor.run.fork_server import has_accelerator

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if has_accelerator() else max(1, min(4, cores // 2))


def _notes(cells: tuple[object, ...], jobs: int, address: str | None) -> tuple[str, ...]:
    """What limits the meaning of the times."""
    if address is None and jobs > 1 and len(cells) > 1:
        return (f"up to {jobs} cells ran side by side, which affects the times: -j 1 runs them one after the other",)
    return ()
