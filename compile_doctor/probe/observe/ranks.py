"""Which rank this process is, as its environment or torch.distributed say, and where it stands when the time is up.

Nothing here imports torch: a program that is not distributed pays for a look into its environment.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from compile_doctor.capture import schema
from compile_doctor.model.ranks import Identity
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.recipes.imports import ImportWatcher

DEADLINE = "COMPILE_DOCTOR_DEADLINE"
"""When `run --timeout` ends the command, in seconds since the epoch."""
MESH = "torch.distributed.device_mesh"
STAGE = "torch.distributed.pipelining.stage"
_said: dict[int, Identity] = {}
"""By process id: a fork is another process."""


def identify(log: EventLog) -> Identity | None:
    """Writes once which rank this process is; None if it is none, or does not know it yet."""
    if os.getpid() not in _said:
        who = _from_torch() or from_environment(os.environ)
        if who is None:
            return None
        _said[os.getpid()] = who
        log.write(schema.Ranked(who))
    return _said[os.getpid()]


def from_environment(variables: Mapping[str, str]) -> Identity | None:
    """What torchrun, and most other launchers, set."""
    rank = _number(variables.get("RANK"))
    if rank is None:
        return None
    address = f"{variables.get('MASTER_ADDR', '')}:{variables.get('MASTER_PORT', '')}"
    return Identity(
        rank=rank,
        world_size=_number(variables.get("WORLD_SIZE")) or None,
        local_rank=_number(variables.get("LOCAL_RANK")),
        local_size=_number(variables.get("LOCAL_WORLD_SIZE")) or None,
        host=socket.gethostname(),
        launch=f"{variables.get('TORCHELASTIC_RUN_ID', '')}@{address}".strip("@:"),
        restart=_number(variables.get("TORCHELASTIC_RESTART_COUNT")) or 0,
    )


def _from_torch() -> Identity | None:
    """For processes without these variables, as torch.multiprocessing.spawn starts them."""
    distributed: Any = sys.modules.get("torch.distributed")
    if (
        distributed is None
        or "RANK" in os.environ
        or not distributed.is_available()
        or not distributed.is_initialized()
    ):
        return None
    return Identity(distributed.get_rank(), distributed.get_world_size(), host=socket.gethostname())


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def watch_mesh(log: EventLog, watcher: ImportWatcher) -> None:
    """Records this rank's coordinates in each mesh that `init_device_mesh` makes."""

    def wrap(_: str) -> None:
        module: Any = sys.modules[MESH]
        make = module.init_device_mesh

        def init_device_mesh(*args: Any, **kwargs: Any) -> Any:
            mesh = make(*args, **kwargs)
            try:
                names = mesh.mesh_dim_names or tuple(f"dim{number}" for number in range(mesh.mesh.dim()))
                where = mesh.get_coordinate()
                if where is not None:
                    identify(log)
                    told = ", ".join(f"{name}={at}" for name, at in zip(names, where))
                    log.write(schema.MeshMade(told))
            except Exception as error:  # an observer must never break the program
                log.write(schema.Note(f"a device mesh could not be read: {type(error).__name__}: {error}"))
            return mesh

        init_device_mesh.__doc__ = make.__doc__
        module.init_device_mesh = init_device_mesh

    watcher.after(MESH, wrap)


def watch_stages(log: EventLog, watcher: ImportWatcher) -> None:
    """Records the stages of torch's pipelines that this rank makes: `stage=0`, or `stage=0+2` for two of them."""

    def wrap(_: str) -> None:
        base: Any = getattr(sys.modules[STAGE], "_PipelineStageBase", None)  # in torch 2.8 to 2.15
        if base is None:
            return
        make, made = base.__init__, set[int]()

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            with suppress(AttributeError, TypeError, ValueError):
                made.add(int(self.stage_index))
                identify(log)
                log.write(schema.MeshMade("stage=" + "+".join(map(str, sorted(made)))))

        base.__init__ = init

    watcher.after(STAGE, wrap)


def watch_deadline(log: EventLog) -> None:
    """Has the main thread's stack written shortly before `run --timeout` ends the command: a hang leaves nothing else.

    By faulthandler, whose own thread needs no lock of Python's: an operator that waits for other ranks may hold that.
    """
    try:
        left = float(os.environ.get(DEADLINE, "")) - time.time()
        file = open(log.directory / f"standing-{os.getpid()}.txt", "w", encoding="utf-8")  # noqa: SIM115
    except (ValueError, OSError):
        return
    print(f"main 0x{threading.main_thread().ident or 0:x}", file=file, flush=True)
    faulthandler.dump_traceback_later(max(left - min(2.0, left / 4), 0.1), file=file)
    atexit.register(_forget, file, os.getpid())


def _forget(file: TextIO, begun: int) -> None:
    """The process ended in time. A fork has no such thread, and leaves the file to its parent."""
    if os.getpid() == begun:
        faulthandler.cancel_dump_traceback_later()
        with suppress(OSError):
            os.unlink(file.name)
