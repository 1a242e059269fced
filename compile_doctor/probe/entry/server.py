"""Imports torch and Dynamo once, and forks a child of the probe for each request: what many small targets cost is the import.

Started by compile_doctor.run.fork_server with the number of a socket. One JSON object per line:

    request   {"id": 1, "settings": PATH, "environment": {…}}
    answers   {"id": 1, "pid": 123}, then {"id": 1, "status": exit code, negative for a signal}

Each child is a process of its own, in a session of its own, as one that was started the slow way; it only finds torch imported.
The server itself runs nothing of a target's, starts no thread and touches no GPU: a fork would not carry them over.
"""

from __future__ import annotations

import atexit
import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

gc.disable()  # thousands of modules are made here, and next to nothing that could be collected

import torch  # noqa: E402
import torch._dynamo.convert_frame  # noqa: E402

from compile_doctor.probe import compat  # noqa: E402
from compile_doctor.probe.entry import shortcuts  # noqa: E402


def main(number: int, children: int, idle: bool) -> int:
    """`number`: the doctor's socket. `children`: how many are expected. `idle`: whether a core is left beside a child."""
    doctor = socket.socket(fileno=number)
    warm_up()
    gc.freeze()  # a collection in a child would copy every page that it looks at
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
    """Dynamo builds its tables at the first compilation; the children find them built, and everything else as new."""
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
    """And forgets it: no log, no trace, no random number drawn."""
    random = torch.get_rng_state()
    logging.disable()  # TORCH_LOGS is the user's, for the target
    with compat.trace_muted():
        torch.compile(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), backend="eager")(torch.ones(1, 2))
        compat.forget_compilations()
    logging.disable(logging.NOTSET)
    torch.set_rng_state(random)


class Child:
    """A process forked from this one, which waits for its request. `process` is 0 in the child itself."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        try:
            self.process = os.fork()
        except OSError:
            self._near.close()
            self._far.close()
            raise

    def give(self, request: bytes) -> None:
        """Raises OSError where the child has gone."""
        self._far.close()
        with self._near:
            self._near.sendall(request)

    def wait(self) -> dict[str, Any] | None:
        """In the child: what it is for, or None where the server has gone."""
        self._near.close()
        with self._far, self._far.makefile("rb") as text:
            return json.loads(text.read() or b"null")  # type: ignore[no-any-return]


def serve(doctor: socket.socket, children: int, ahead: Callable[[], None] | None) -> dict[str, Any] | None:
    """Gives each request to a child, until the doctor hangs up (None). In a child it returns that child's request.

    While one runs the next is forked, and does what it can do `ahead`: it touches the pages that it shares with the server.
    """
    waking, wake = socket.socketpair()
    for one in (waking, wake):
        one.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    running: dict[int, int] = {}
    asked: list[bytes] = []
    spare: Child | None = None

    def tell(**answer: Any) -> None:
        doctor.sendall((json.dumps(answer) + "\n").encode())

    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(doctor, selectors.EVENT_READ)
        selector.register(waking, selectors.EVENT_READ)
        while True:
            if spare is None and (asked or (running and children > 0)):
                children -= 1
                try:
                    spare = Child()
                except OSError:
                    if asked:
                        raise
                    # No room for one more: those that run go on, and the next is forked when it is asked for.
                    children = 0
            if spare and not spare.process:
                _leave(doctor, waking, wake)
                if ahead and not asked:
                    ahead()
                return spare.wait()
            if spare and asked:
                chosen, spare = spare, None
                try:
                    chosen.give(asked[0])
                except OSError:  # it was killed while it waited
                    continue
                running[chosen.process] = number = json.loads(asked.pop(0))["id"]
                tell(id=number, pid=chosen.process)
                continue
            for key, _ in selector.select():
                if key.fileobj is waking:
                    waking.recv(4096)
                    for child, status in _ended(running):
                        tell(id=running.pop(child), status=status)
                    continue
                received = doctor.recv(1 << 16)
                if not received:
                    return None
                *lines, text = (text + received).split(b"\n")
                asked += lines


def _leave(*sockets: socket.socket) -> None:
    """The child has nothing of the server's, and a session of its own."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for one in sockets:
        one.close()


def _ended(running: dict[int, int]) -> Iterator[tuple[int, int]]:
    """(process, exit code) of the children that have come to their end."""
    for child in list(running):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            yield child, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    code = main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "idle")
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking the modules apart would copy every page that the child shares with the server
