"""Runs the cells of a matrix on this machine, side by side as far as memory allows, or hands them to a Ray cluster."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from compile_doctor.errors import DoctorError, UsageError
from compile_doctor.matrix.cell_process import own_environment, run_cell
from compile_doctor.matrix.kept import finish, kept, not_run
from compile_doctor.matrix.plan import Wanted
from compile_doctor.matrix.result import Cell
from compile_doctor.processes.children import end_all
from compile_doctor.run.progress import Progress
from compile_doctor.run.side_by_side import Children

MARK = "matrix"
"""The file that tells a folder of a matrix from any other."""
INTERRUPTED = "It was not run: the matrix was interrupted."


@dataclass
class Table:
    """The results so far, by the cell's folder."""

    wanted: Sequence[Wanted]
    progress: Progress
    found: dict[Path, Cell] = field(default_factory=dict)
    interrupted: bool = False

    def add(self, wanted: Wanted, cell: Cell) -> None:
        self.found[wanted.folder] = cell
        self.progress.say(f"{wanted.name}: {cell.verdict} ({len(self.found)} of {len(self.wanted)})")

    @property
    def left(self) -> list[Wanted]:
        return [one for one in self.wanted if one.folder not in self.found]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """In the order of the plan."""
        return tuple(self.found.get(one.folder) or not_run(one, INTERRUPTED) for one in self.wanted)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder of the cells, for this run alone. Raises UsageError if it is in use, or is something else's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise UsageError(
                f"{folder} exists and is not the folder of a matrix. Give a new or empty one for --capture."
            )
        with (folder / MARK).open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"Another matrix is running in {folder}. Wait for it, or give another folder with --capture."
                ) from None
            yield
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror}.") from error


def begin(wanted: Sequence[Wanted], folder: Path, resume: bool, progress: Progress) -> Table:
    """The table with the cells that need no run: those kept from an earlier run, and those without an environment.

    Without `resume` the earlier cells are deleted.
    """
    table = Table(wanted, progress)
    if not resume:
        shutil.rmtree(folder / "cells", ignore_errors=True)
    for one in wanted:
        earlier = kept(one) if resume else None
        if earlier is not None:
            table.add(one, earlier)
        elif one.environment.problem:
            table.add(one, not_run(one, one.environment.problem))
    return table


def run_here(table: Table, doctor: Path, jobs: int) -> None:
    """Runs the cells that are left, `jobs` at a time if memory allows. Ctrl-C ends them; what had finished is kept."""
    children = Children(jobs)
    environment = own_environment(doctor)

    def one(wanted: Wanted) -> None:
        with children.one():
            fresh(wanted.folder)
            try:
                ended = run_cell(
                    wanted.environment.python, wanted.target, wanted.options, wanted.folder, wanted.timeout, environment
                )
            except OSError as error:
                table.add(wanted, not_run(wanted, f"{wanted.environment.python}: {error.strerror}."))
                return
        if ended["ended"] in ("exited", "timeout"):
            table.add(wanted, finish(wanted, ended))

    with ThreadPoolExecutor(children.most) as pool:
        waiting = {pool.submit(one, wanted): wanted for wanted in table.left}
        try:
            with table.progress.task(lambda: f"{len(table.found)} of {len(table.wanted)} cells"):
                for future, wanted in waiting.items():
                    _wait(future.result, table, wanted)
        except KeyboardInterrupt:  # the threads would wait for their children, and start others
            table.interrupted = True
            children.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()


def _wait(result: Callable[[], None], table: Table, wanted: Wanted) -> None:
    try:
        result()
    except DoctorError as error:
        table.add(wanted, not_run(wanted, str(error)))


def fresh(folder: Path) -> None:
    """An empty folder for a cell, instead of what an interrupted run has left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
