"""Says on stderr what takes long, on a terminal only."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """A line that is rewritten each second while a task runs; silent where stderr is no terminal or -q was given."""

    def __init__(self, quiet: bool = False) -> None:
        self.shown = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self.shown:
            print(f"\r\x1b[2Kcompile-doctor: {text}", file=sys.stderr, flush=True)

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
            said = text() if callable(text) else text
            sys.stderr.write(f"\r\x1b[2Kcompile-doctor: {said} … {seconds} s")
            sys.stderr.flush()
