"""A window around the backward of each graph that has attention, while memory is measured.

AOTAutograd runs it as one node of autograd's graph. Two hooks of that node, which change nothing, see it begin and end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch.autograd.graph import Node

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog

Window = Callable[[str], AbstractContextManager[Any]]

_COMPILED = "CompiledFunctionBackward"
_MOST_STEPS = 50
_MEASURED = 2
"""Calls of each graph whose backward is watched."""


class Backwards:
    """`watch` after each measured call of a graph; `close` where no backward can be running."""

    def __init__(self, log: EventLog, window: Callable[[], Window | None]) -> None:
        """`window`: the context manager to enter when a backward begins; None if memory is not measured any more."""
        self.log = log
        self._window = window
        self._seen: dict[int, int] = {}
        self._open: list[AbstractContextManager[Any]] = []

    def watch(self, number: int, args: Iterable[Any], result: Any) -> None:
        """Puts the hooks at the node that will run the backward of this call, if there is one."""
        if not torch.is_grad_enabled() or self._seen.get(number, 0) >= _MEASURED:
            return
        node = _compiled_node(result, args)
        if node is not None and compat.compiles_autograd():
            self._saw(number)  # it is not known to run, but the hooks would be compiled too
        elif node is not None:
            node.register_prehook(partial(self._begin, number))
            node.register_hook(self._end)

    def close(self) -> None:
        """Ends the window of a backward that raised: its node did not come to its second hook."""
        while self._open and not compat.in_backward():
            self._leave(RuntimeError("the backward did not end"))

    def _begin(self, number: int, gradients: Any) -> None:
        window = self._window()
        if window is None:
            return
        self._saw(number)
        try:
            entered = window(f"backward:{number}")
            entered.__enter__()
            self._open.append(entered)
        except Exception as error:  # an observer must never break the program
            self.log.write(schema.Lost(text=f"a backward could not be measured: {type(error).__name__}: {error}"))

    def _saw(self, number: int) -> None:
        if number not in self._seen:
            self.log.write(schema.BackwardRan(number))
        self._seen[number] = self._seen.get(number, 0) + 1

    def _end(self, results: Any, gradients: Any) -> None:
        if self._open:
            self._leave(None)

    def _leave(self, error: Exception | None) -> None:
        try:
            self._open.pop().__exit__(type(error) if error else None, error, None)
        except Exception as raised:  # the error itself, and what the profiler raises at its end
            if raised is not error:
                self.log.write(schema.Lost(text=f"a backward could not be measured: {type(raised).__name__}: {raised}"))


def _compiled_node(result: Any, args: Iterable[Any]) -> Node | None:
    """The graph's own node, below views of its outputs; not that of an earlier graph, whose result it passes on."""
    earlier = {one.grad_fn for one in args if isinstance(one, torch.Tensor) and one.grad_fn is not None}
    waiting = [one.grad_fn for one in _tensors(result) if one.grad_fn is not None]
    seen: set[Node] = set()
    while waiting and len(seen) < _MOST_STEPS:
        node = waiting.pop(0)
        if node in seen or node in earlier:
            continue
        seen.add(node)
        if node.name() == _COMPILED:
            return node
        waiting += [before for before, _ in node.next_functions if before is not None]
    return None


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    for one in result if isinstance(result, (tuple, list)) else (result,):
        if isinstance(one, torch.Tensor):
            yield one
