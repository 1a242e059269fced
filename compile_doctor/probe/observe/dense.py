"""Every run of flex_attention's dense path, and the refusal of one that would not fit in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from compile_doctor.capture import schema
from compile_doctor.model.attention import DenseRefused
from compile_doctor.model.sizes import dense_need
from compile_doctor.probe import compat, devices
from compile_doctor.probe.observe import graphs
from compile_doctor.probe.observe.stacks import python_stack

if TYPE_CHECKING:
    from compile_doctor.probe.observe.attention import Observer


class DenseRefusedError(MemoryError):
    """The dense path was about to allocate more memory than is free; it was recorded and stopped."""


def dense_bytes(query: Any, key: Any) -> int:
    heads, pairs = query.shape[0] * query.shape[1], query.shape[2] * key.shape[-2]
    return dense_need(heads * pairs, pairs)


class DenseRuns:
    """The dense runs outside of the eager control, each distinct one with how often it ran."""

    def __init__(self, observer: Observer, guard: bool) -> None:
        self._observer = observer
        self._log = observer.log
        self._guard = guard
        """Whether to stop a dense call that would not fit in memory; not in a program that is only observed (`run`)."""
        self.counts: dict[Any, int] = {}
        """How often each dense call ran, in the order in which they were first seen."""
        self._calls: dict[int, int] = {}

    def graph_ended(self, number: int) -> None:
        self._calls.pop(number, None)

    def watch(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        def dense(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
            if self._observer.phase == "eager":
                self._refuse(query, key)
                return entry(query, key, value, *args, **kwargs)
            identity = -1
            try:
                identity = self._saw(query, key, value)
            except Exception as error:  # an observer must never break the program
                self._log.write(schema.Lost(text=f"a dense call could not be read: {type(error).__name__}: {error}"))
            self._refuse(query, key)
            if self._observer.window is None:
                result = entry(query, key, value, *args, **kwargs)
            else:
                with self._observer.window(f"dense:{identity}"):
                    result = entry(query, key, value, *args, **kwargs)
            return result

        return dense

    def _saw(self, query: Any, key: Any, value: Any) -> int:
        """Writes one event per graph node or stack of the user's, and counts repetitions; returns its number."""
        number = self._observer.running[-1] if self._observer.running else None
        index = self._calls.get(number, 0) if number is not None else None
        if number is not None:
            self._calls[number] = self._calls.get(number, 0) + 1
        stack, wrappers = python_stack(sys._getframe(2))
        identity = (number, index, tuple(tuple(entry[:3]) for entry in stack))
        if identity not in self.counts:
            self.counts[identity] = 0
            self._log.write(
                schema.Dense(
                    graph=number,
                    index=index,
                    stack=stack,
                    wrappers=wrappers,
                    modes=compat.dispatch_modes(),
                    state=compat.compiler_state(),
                    inputs={
                        name: graphs.describe_tensor(tensor)
                        for name, tensor in (("query", query), ("key", key), ("value", value))
                    },
                )
            )
        self.counts[identity] += 1
        return list(self.counts).index(identity)

    def _refuse(self, query: Any, key: Any) -> None:
        """Raises DenseRefusedError if the scores would not fit in memory, so that the evidence survives."""
        needed, left = dense_bytes(query, key), devices.of(query.device.type).free()
        if self._guard and left is not None and needed > left:
            self._log.write(DenseRefused(phase=str(self._observer.phase), needed=needed, left=left))
            raise DenseRefusedError(
                f"compile-doctor stopped dense attention: it needs about {needed:,} bytes, and {left:,} are free"
            )
