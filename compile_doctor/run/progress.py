"""Says on stderr what takes long, on a terminal only.

By hand, not by rich.status: that hides the cursor of a terminal that the target shares, for good if the doctor is killed, and
has to be imported before the target is started.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from compile_doctor.clean import clean, say


class Progress:
    """A line that is rewritten each second while a task runs; silent where stderr is no terminal or -q was given."""

    def __init__(self, quiet: bool = False) -> None:
        self.shown = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            say(f"compile-doctor: {text}")

    @contextmanager
    def task(self, text: str | Callable[[], str]) -> Iterator[None]:
        """`text` may be a function, for what moves on while the task runs."""
        if not self.shown:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._tick, args=(text, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _tick(self, text: str | Callable[[], str], done: threading.Event) -> None:
        start = time.monotonic()
        while not done.wait(1.0):
            seconds = int(time.monotonic() - start)
            sys.stderr.write("\r\x1b[2K" + _line(text() if callable(text) else text, f" … {seconds} s"))
            sys.stderr.flush()


def _line(text: str, end: str) -> str:
    """Within the terminal's width: of a line that is wrapped, only the last row would be rewritten."""
    room = shutil.get_terminal_size().columns - len(end) - 1
    return clean(" ".join(f"compile-doctor: {text}".split()))[: max(20, room)] + end
