"""A small process between compile-doctor and each child: it ends what the child started, even if compile-doctor dies.

Why a process: PR_SET_PDEATHSIG reaches only one process, depends on the *thread* that forked, and cannot be set in a
command of `run`. A thread in the target's process would be visible to the target (fork, thread counts), and ends with
it. The keeper is outside of both, in a session of its own, and imports almost nothing (`python -I -S`, about 15 ms):

- its channel is a socket whose other end only compile-doctor has: it reads end of file even after compile-doctor was
  killed;
- it is a subreaper (Linux): processes that the child started stay below it, even after `setsid` and two forks and
  without any environment. If it has no children left, nothing is left; otherwise /proc has the tree (psutil would have to be
  imported, and knows no more);
- it has the clock: the time limit holds while compile-doctor is stopped (SIGSTOP), and for a child that is stopped.

Processes that still run shortly after the child has ended are named and ended. `leave` is for `run`, whose command may
start a service on purpose: what left the command's session by itself is named and keeps running, unless the command was
stopped.

macOS has neither subreapers nor /proc: the child's process group is ended, and nothing is named.

Lines on the channel, to compile-doctor: `started PID` or `failed ERRNO`; `left PID FATE COMMAND` (FATE: stopped,
running, kept); `ended STATUS WHY` (STATUS: exit code, negative for a signal, or -; WHY: exited, timeout, stopped). Any line from
compile-doctor means: end it now.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # without the import of typing
if TYPE_CHECKING:
    from collections.abc import Callable

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL, and to wait after SIGKILL."""
LINGER = 0.3
"""Seconds for processes to end by themselves after the child has ended: pools and trackers notice that it has."""
LENGTH = 200
"""Longest command line that is shown, in characters."""
PR_SET_CHILD_SUBREAPER = 36


class Keeper:
    """`channel` leads to compile-doctor, `child` is in a session of its own, `limit` is its time limit in seconds."""

    def __init__(self, channel: int, child: int, limit: float | None, leave: bool, reaper: bool) -> None:
        self.channel, self.child, self.leave, self.reaper = channel, child, leave, reaper
        self.deadline = None if limit is None else time.monotonic() + limit
        self.status: int | None = None
        self.orphaned = False
        """Whether compile-doctor has ended."""
        self._waking, wake = os.pipe()
        for one in (self._waking, wake):
            os.set_blocking(one, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def keep(self) -> None:
        """Runs until the child and everything that it started have ended."""
        tell(self.channel, f"started {self.child}")
        why = self._watch()
        leave = self.leave and why == "exited"
        if why == "exited":
            self._wait(LINGER)
        left = {} if not self._reap() or why != "exited" else self._named()
        stays = self._below(outside=True) if leave else set()
        self._end(stays)
        still = self._below()
        for process, command in left.items():
            fate = "kept" if process in stays & still else "running" if process in still else "stopped"
            tell(self.channel, f"left {process} {fate} {command}")
        status = self.status if why == "exited" else None
        tell(self.channel, f"ended {'-' if status is None else status} {why}")

    def _watch(self) -> str:
        while True:
            self._reap()
            if self.status is not None:
                return "exited"
            left = None if self.deadline is None else self.deadline - time.monotonic()
            if left is not None and left <= 0:
                return "timeout"
            ready = select.select([self.channel, self._waking], [], [], left)[0]
            if self._waking in ready and any(number != signal.SIGCHLD for number in os.read(self._waking, 4096)):
                return "stopped"
            if self.channel in ready and not self._reap_first():
                return "stopped"

    def _reap_first(self) -> bool:
        """After compile-doctor has sent a line, or has ended: whether the child had ended before."""
        try:
            self.orphaned = not os.read(self.channel, 64)
        except OSError:
            self.orphaned = True
        self._reap()
        return self.status is not None

    def _reap(self) -> bool:
        """Reaps ended children; returns whether there are others."""
        try:
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return True
                if process == self.child:
                    self.status = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            return False

    def _wait(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Waits for the children to end; returns whether there are others."""
        until = time.monotonic() + seconds
        while self._reap() and not enough():
            left = until - time.monotonic()
            if left <= 0:
                return True
            select.select([self._waking], [], [], min(left, 0.05))
            try:
                os.read(self._waking, 4096)
            except BlockingIOError:
                continue
        return self._reap()

    def _end(self, stays: set[int]) -> None:
        """Ends all but `stays`, and what they start meanwhile: first with SIGTERM, then with SIGKILL."""
        if not self.reaper:
            return self._end_group()
        for number in (signal.SIGTERM, signal.SIGKILL):
            until, asked = time.monotonic() + GRACE, set[int]()
            while time.monotonic() < until and self._reap():
                there = self._below() - stays
                if not there:
                    return None
                for process in there - asked:
                    kill(process, number)
                    kill(process, signal.SIGCONT)  # a stopped process does not act on SIGTERM
                asked |= there
                self._wait(0.1)
        return None

    def _end_group(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not kill(-self.child, number):
                return  # the group has no process left
            kill(-self.child, signal.SIGCONT)
            self._wait(GRACE, lambda: self.status is not None)
            time.sleep(
                0.05
            )  # its own children may still hold on: they are in the same group, and get the second signal

    def _below(self, outside: bool = False) -> set[int]:
        """The running processes below this one; `outside`: only those that are not in the child's session."""
        parents: dict[int, list[tuple[int, int]]] = {}
        for name in os.listdir("/proc") if self.reaper else ():
            found = _stat(name) if name.isdigit() else None
            if found is not None:
                parents.setdefault(found[0], []).append((int(name), found[1]))
        below: set[int] = set()
        level = [os.getpid()]
        while level:
            children = [one for parent in level for one in parents.get(parent, ())]
            below.update(process for process, session in children if not (outside and session == self.child))
            level = [process for process, _ in children]
        return below

    def _named(self) -> dict[int, str]:
        return {process: _command(process) for process in sorted(self._below())}


def _stat(process: str) -> tuple[int, int] | None:
    """Parent and session of a process; None if it has ended."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name of the program may contain anything, even brackets.
            state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else (int(parent), int(session))


def _command(process: int) -> str:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            text = file.read(4 * LENGTH).replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "?"
    short = text if len(text) <= LENGTH else text[:LENGTH] + "…"
    return short.encode("unicode_escape").decode() if "\n" in short or "\r" in short else short


def kill(process: int, number: int) -> bool:
    """Sends a signal; returns whether the process exists and can be signalled."""
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def tell(channel: int, line: str) -> None:
    try:
        os.write(channel, (line + "\n").encode("utf-8", "replace"))
    except OSError:
        return  # compile-doctor has ended


def become_reaper() -> bool:
    """Makes this process the parent of orphaned descendants; returns whether that worked and they can be found."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 and _stat("self") is not None
    except (ImportError, OSError, AttributeError):
        return False


def quiet() -> None:
    """Closes this process's copies of the child's streams, so that their readers see the end of file."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def spawn(command: list[str]) -> tuple[int, int]:
    """Starts a process in a session of its own; returns (process id, 0), or (0, errno) if it cannot be started."""
    listening, telling = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)  # Python ignores them, and children inherit that
            os.execvp(command[0], command)
        except OSError as error:
            os.write(telling, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(telling)
    with os.fdopen(listening, "rb") as answer:
        failed = answer.read()
    if failed:
        os.waitpid(child, 0)
        return 0, int(failed)
    return child, 0


def main(channel: int, limit: float | None, leave: bool, command: list[str]) -> None:
    os.set_inheritable(channel, False)
    reaper = become_reaper()
    child, error = spawn(command)
    if error:
        return tell(channel, f"failed {error}")
    quiet()
    keeper = Keeper(channel, child, limit, leave, reaper)
    keeper.keep()
    if keeper.orphaned:
        sweep()
    return None


def sweep() -> None:
    """Removes what earlier runs of compile-doctor have left behind."""
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    try:
        from compile_doctor.processes.scratch import sweep as remove

        remove()
    except Exception:
        pass  # the next run does it


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2] != "-" else None, sys.argv[3] == "leave", sys.argv[4:])
    os._exit(0)  # compile-doctor waits for the exit, and there is nothing to clean up
