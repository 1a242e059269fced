"""Shows on stderr what is running, only on a terminal.

Written by hand, not with rich.status: that one hides the cursor of the terminal, which the target shares, and does not
restore it if compile-doctor is killed. It also has to be imported before the target is started.
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
    """A line that is rewritten each second while a task runs; silent if stderr is not a terminal, or with -q."""

    def __init__(self, quiet: bool = False) -> None:
        self.shown = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self.shown:
            sys.stderr.write("\r\x1b[2K")
            say(f"compile-doctor: {text}")

    @contextmanager
    def task(self, text: str | Callable[[], str]) -> Iterator[None]:
        """Shows `text` while the block runs; a function if the text changes meanwhile."""
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
    """Cut to the terminal's width: if a line wraps, only its last row is rewritten."""
    room = shutil.get_terminal_size().columns - len(end) - 1
    return clean(" ".join(f"compile-doctor: {text}".split()))[: max(20, room)] + end
