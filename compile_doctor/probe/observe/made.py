"""Which of the things that torch.compile returned were called: one that is dropped compiles nothing, without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog

MOST = 20
"""Records that are written; a program may compile in a loop."""


class Made:
    """The contexts of torch.compile that were not entered yet, in the order in which they were made."""

    def __init__(self, around: Callable[[], Callable[[], None]]) -> None:
        self._around = around
        """Called before each call of compiled code; what it returns, after it."""
        self._waiting: dict[int, tuple[Any, schema.NeverCalled]] = {}
        self._called: list[schema.CalledInVain] = []

    def watch(self, context: Any, record: schema.NeverCalled, called: schema.CalledInVain) -> None:
        """What is written if nobody calls it, and if it is called and nothing is compiled.

        A context that comes again is the same object of torch.compile: a module, then its `__call__`.
        """
        key = id(context)
        if key in self._waiting or len(self._waiting) >= 10 * MOST:
            return
        self._waiting[key] = (context, record)  # holds the context, so that its id stays its own
        compat.around_each_call(context, lambda: self._begin(key, called))

    def _begin(self, key: int, called: schema.CalledInVain) -> Callable[[], None]:
        if self._waiting.pop(key, None) is not None:
            self._called += [called] if len(self._called) < MOST else []
        return self._around()

    def write(self, log: EventLog) -> None:
        for _, record in list(self._waiting.values())[:MOST]:
            log.write(record)
        if not compat.graphs_compiled():
            for in_vain in self._called:
                log.write(in_vain)
