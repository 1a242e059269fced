"""Runs the cells of a matrix as tasks of a Ray cluster: one task a cell, in an environment that Ray makes on the node."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from compile_doctor.matrix.cell_process import OUTPUT, own_environment, run_cell
from compile_doctor.matrix.environments import INSTALLING, Environment
from compile_doctor.matrix.kept import finish, not_run
from compile_doctor.matrix.plan import Wanted
from compile_doctor.matrix.run import Table, fresh
from compile_doctor.processes.ray_cluster import connected, last_line

POLL = 1.0
"""Seconds between two looks at the tasks: Ctrl-C has to be noticed."""


def run_on_ray(table: Table, doctor: Path, address: str) -> None:
    """Runs the cells that are left. Ctrl-C cancels them; what had finished is kept.

    The working directory goes to the nodes, because the target is named relative to it. Raises UsageError without ray,
    and InconclusiveError if the cluster cannot be reached, or refuses the files.
    """
    with connected(address, doctor / "compile_doctor", working_dir=os.getcwd()) as ray:
        try:
            _run(ray, table)
        except KeyboardInterrupt:
            table.interrupted = True


def _run(ray: Any, table: Table) -> None:
    task = ray.remote(cell_task)
    tasks = {}
    for wanted in table.left:
        needs = {"num_cpus": 1, "num_gpus": 1 if _on_gpu(wanted) else 0, "scheduling_strategy": "SPREAD"}
        options = {**needs, "runtime_env": _packages(wanted.environment), "max_retries": 1}
        made = task.options(**options).remote(wanted.environment.python, wanted.target, wanted.options, wanted.timeout)
        tasks[made] = wanted
    with table.progress.task(lambda: f"{len(table.found)} of {len(table.wanted)} cells, on Ray"):
        while tasks:
            done, _ = ray.wait(list(tasks), timeout=POLL)
            for one in done:
                wanted = tasks.pop(one)
                try:
                    ended = ray.get(one)
                except Exception as error:  # the environment could not be made, the node died, …
                    table.add(wanted, not_run(wanted, f"Ray could not run it: {last_line(error)}"))
                    continue
                _take(table, wanted, ended)


def _take(table: Table, wanted: Wanted, ended: dict[str, Any]) -> None:
    """Writes what a task has sent into the cell's folder, as if it had run here."""
    fresh(wanted.folder)
    (wanted.folder / OUTPUT).write_bytes(ended.pop("output"))
    with zipfile.ZipFile(io.BytesIO(ended.pop("files"))) as archive:
        archive.extractall(wanted.folder)  # it refuses names outside of the folder
    if ended.pop("failed"):
        table.add(wanted, not_run(wanted, f"It could not be started on {ended['node']}."))
    else:
        table.add(wanted, finish(wanted, ended))


def cell_task(python: str, target: str, options: tuple[str, ...], timeout: float) -> dict[str, Any]:
    """Runs on the node: one cell in a temporary folder; returns how it ended, its output and its evidence."""
    import socket
    import sys

    import compile_doctor

    root = Path(compile_doctor.__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="compile-doctor-") as made:
        folder = Path(made)
        ended: dict[str, Any] = {"failed": False}
        try:
            ended |= run_cell(python or sys.executable, target, options, folder, timeout, own_environment(root))
        except OSError as error:
            (folder / OUTPUT).write_text(f"{python}: {error.strerror}\n", encoding="utf-8")
            ended["failed"] = True
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name != OUTPUT:
                    archive.write(path, path.relative_to(folder))
        output = (folder / OUTPUT).read_bytes()
    return {
        **ended,
        "files": packed.getvalue(),
        "output": output,
        "node": _node(socket.gethostname()),
        "cwd": os.getcwd(),
    }


def _node(host: str) -> str:
    import ray

    return f"{host} ({ray.get_runtime_context().get_node_id()[:8]})"


def _packages(environment: Environment) -> dict[str, Any]:
    """What Ray installs for the task, once on each node: nothing for a Python that exists there.

    Without options Ray passes `--no-cache`, which would fetch a torch of several GB for each environment again.
    """
    if not environment.requirements:
        return {}
    packages = {"packages": list(environment.requirements), "uv_pip_install_options": []}
    return {"uv": packages, "config": {"setup_timeout_seconds": int(INSTALLING)}}


def _on_gpu(wanted: Wanted) -> bool:
    options = list(wanted.options)
    return "--device" in options and options[options.index("--device") + 1] != "cpu"
