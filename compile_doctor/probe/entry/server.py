"""Imports torch and Dynamo once, and forks a child process for each request: the import is what many small targets cost.

Started by compile_doctor.run.fork_server with the number of a socket, on which it gets a byte for each child, together
with the channel of that child's `keeper`. It reads the request from this channel, a line of JSON:

    {"settings": PATH, "environment": {…}, "limit": seconds or null}

Each child has its own process, session and keeper, like one that is started the slow way; only torch is already imported.
The server itself runs nothing of a target's, starts no thread and uses no GPU: these do not survive a fork.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

gc.disable()  # thousands of modules are made here, and almost nothing that could be collected

from compile_doctor.probe.entry.numpy_remark import without_numpy_remark  # noqa: E402

with without_numpy_remark():
    import torch
    import torch._dynamo.convert_frame

from compile_doctor.probe import compat  # noqa: E402
from compile_doctor.probe.entry import shortcuts  # noqa: E402
from compile_doctor.processes import keeper  # noqa: E402


def main(number: int, children: int, idle: bool) -> int:
    """`number`: the doctor's socket. `children`: how many are expected. `idle`: whether a core is free beside a child."""
    doctor = socket.socket(fileno=number)
    warm_up()
    gc.freeze()  # a collection in a child would copy every page that it visits
    request = serve(doctor, children, compile_something if idle else None)
    if request is None:
        return 0
    gc.enable()
    os.environ.clear()
    os.environ.update(request["environment"])
    compat.retarget_trace(request["environment"].get("TORCH_TRACE"))
    from compile_doctor.probe.__main__ import main as probe

    return probe(request["settings"])


def warm_up() -> None:
    """Compiles once, so that the children find Dynamo's tables built, and everything else as in a new process."""
    shortcuts.skip_guard_timing()
    compile_something()
    import compile_doctor.probe.memory.profile
    import compile_doctor.probe.observe.files
    import compile_doctor.probe.observe.logs
    import compile_doctor.probe.session  # noqa: F401  the children need these
    from compile_doctor.probe.load import loaded_before

    compat.keep_out_of_graphs("compile_doctor.probe")
    compat.keep_out_of_graphs("compile_doctor.model.seen_files")
    loaded_before()


def compile_something() -> None:
    """Compiles a small model and forgets it: no log, no warning, no trace, no random number drawn."""
    random = torch.get_rng_state()
    logging.disable()  # TORCH_LOGS is for the target only
    with compat.trace_muted(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that of Python 3.13.0: the child that runs the target has its own
        torch.compile(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), backend="eager")(torch.ones(1, 2))
        compat.forget_compilations()
    logging.disable(logging.NOTSET)
    torch.set_rng_state(random)


class Spare:
    """Two processes that wait for a request: a keeper and its child, which is a copy of this process.

    `request` is None in the server; in the child it is the child's request. In the keeper, the call never returns.
    """

    def __init__(self, ahead: Callable[[], None] | None, *not_theirs: int) -> None:
        """`not_theirs`: files of the server, closed in the new processes. Raises OSError if no process can be made."""
        self.request: dict[str, Any] | None = None
        self._near, far = socket.socketpair()
        with far:
            try:
                self.process = os.fork()
            except OSError:
                self._near.close()
                raise
            if self.process == 0:
                self._near.close()
                for one in not_theirs:
                    os.close(one)
                self.request = _divide(far, ahead)

    def give(self, channel: int) -> None:
        """Passes on the doctor's channel. Raises OSError if the keeper has ended."""
        with self._near:
            socket.send_fds(self._near, [b"+"], [channel])


def _divide(server: socket.socket, ahead: Callable[[], None] | None) -> dict[str, Any]:
    """Makes this process the keeper of a child. Returns the request, in the child only."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reaper = keeper.become_reaper()
    listening, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(listening)
        try:
            _keep(server, telling, child, reaper)
        finally:
            os._exit(0)
    os.setsid()
    os.close(telling)
    server.close()
    if ahead:
        ahead()
    with os.fdopen(listening, "rb") as text:
        line = text.read()
    if not line:
        os._exit(0)  # there is no further request
    request: dict[str, Any] = json.loads(line)
    return request


def _keep(server: socket.socket, telling: int, child: int, reaper: bool) -> None:
    """Passes the request to the child. Without a request, or if the child was killed, the doctor reads that nothing began."""
    channels = socket.recv_fds(server, 1, 1)[1]
    if not channels or os.waitpid(child, os.WNOHANG)[0]:
        return
    with os.fdopen(os.dup(channels[0]), "rb") as lines:
        request = lines.readline()
    if not request.endswith(b"\n"):
        return
    with os.fdopen(telling, "wb") as text:
        text.write(request)
    keeper.quiet()
    one = keeper.Keeper(channels[0], child, json.loads(request)["limit"], False, reaper)
    one.keep()
    if one.orphaned:
        keeper.sweep()


def serve(doctor: socket.socket, children: int, ahead: Callable[[], None] | None) -> dict[str, Any] | None:
    """Gives each request to a child, until the doctor hangs up (None). In a child it returns that child's request.

    While one runs, the next is forked and calls `ahead`, which touches the pages that it shares with the server.
    """
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    spare: Spare | None = None
    while True:
        try:
            channels = socket.recv_fds(doctor, 1, 1)[1]
        except OSError:
            return None
        if not channels:
            return None
        channel = channels[0]
        given = False
        while not given:
            try:
                spare = spare or Spare(None, doctor.fileno(), channel)
            except OSError:
                break  # no process could be made: the doctor reads that nothing began
            if spare.request is not None:
                doctor.detach()  # closed already, and another file may have its number now
                return spare.request
            with suppress(OSError):  # it was killed while it was waiting
                spare.give(channel)
                given = True
            spare = None
            children -= 1
        os.close(channel)
        if children > 0:
            with suppress(OSError):
                spare = Spare(ahead, doctor.fileno())
        if spare and spare.request is not None:
            doctor.detach()
            return spare.request


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    code = main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "idle")
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # deleting the modules would copy every page that the child shares with the server
