"""Measures several implementations of one computation: compiles, compares, measures memory, then times them in turns.

Every result is written at once, so that it survives a process that dies later.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.benchmark import Measurement, Timer

from compile_doctor.capture import schema
from compile_doctor.model.sizes import human
from compile_doctor.probe import compat, devices
from compile_doctor.probe.memory.profile import peak_of
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.failures import describe
from compile_doctor.probe.parity.implementations import Unsupported

ROUNDS = 2
"""Each implementation is timed in this many turns, forwards and backwards through the list: a machine that warms up, or
a load that comes and goes, then does not affect the same one each time."""
PATIENCE = 4
"""If the spread is large, a turn takes up to this many times the requested seconds, as in torch's adaptive_autorange."""


@dataclass(frozen=True)
class Contender:
    """One implementation. `make` builds and returns the call to measure; both may raise."""

    name: str
    make: Callable[[], Callable[[], Any]]
    need: int = 0
    """Bytes that it must store (all scores or a full mask): it does not run if they are not free."""
    around: Callable[[], AbstractContextManager[Any]] = nullcontext
    """A context around all calls together, so that entering it is not timed."""
    reference: bool = False
    """The others are compared with it: it runs once even if it is not timed."""


@dataclass(frozen=True)
class Judged:
    """A contender's output compared with the reference. `reason` is empty if it is right and this contender itself ran."""

    difference: float | None = None
    tolerance: float | None = None
    reason: str = ""
    note: str = ""
    """What could not be compared."""
    status: str = "wrong"
    """The status if there is a reason."""
    positions: int | None = None
    """How many tokens one call computes."""


Judge = Callable[[str, Any], Judged]
"""(name, output) of the first call → the comparison."""


class Timing:
    """`run` writes `begun`, `outcome` and `timed` events per contender; see `compile_doctor.bench.read`."""

    def __init__(self, log: EventLog, device: Callable[[], str], seconds: float) -> None:
        self.log = log
        self.device = device  # known once the first model is built
        self.seconds = seconds

    def run(self, contenders: Sequence[Contender], judge: Judge, wanted: Collection[str]) -> None:
        """Measures the contenders that are `wanted`; the reference runs once in any case, for comparison."""
        ready: list[tuple[Contender, Callable[[], Any]]] = []
        for contender in contenders:
            if contender.name not in wanted and not contender.reference:
                continue
            self.log.write(schema.Begun(implementation=contender.name, doing="prepare"))
            with contender.around():
                call = self._prepare(contender, judge)
            if call is not None and contender.name in wanted:
                ready.append((contender, call))
        taken: dict[str, list[Measurement]] = {contender.name: [] for contender, _ in ready}
        for number in range(ROUNDS):
            for contender, call in ready if number % 2 == 0 else ready[::-1]:
                self.log.write(schema.Begun(implementation=contender.name, doing="time"))
                try:
                    with contender.around():
                        self._time(contender.name, call, taken[contender.name])
                except Exception as error:
                    self._failed(contender.name, error)

    def _prepare(self, contender: Contender, judge: Judge) -> Callable[[], Any] | None:
        """Makes the first call by itself, checks its output and measures memory; returns None if it cannot be timed."""
        name = contender.name
        left = devices.of(self.device()).free()
        if left is not None and contender.need > left:
            text = f"it stores all scores or the full mask: {human(contender.need)} needed, {human(left)} free"
            self.log.write(schema.Outcome(implementation=name, status="not-run", reason=text))
            return None
        compiled, hits = compat.graphs_compiled(), compat.cache_hits()
        try:
            call = contender.make()
            start = time.perf_counter()
            output = call()
            devices.of(self.device()).synchronize()
            first = time.perf_counter() - start
            judged = judge(name, output)
            del output
            call()  # a second call may compile once more, if a size that changed becomes dynamic
            facts: dict[str, Any] = {
                "first": first,
                "compiled": compat.graphs_compiled() > compiled,
                "cached": compat.cache_hits() > hits,
                "difference": judged.difference,
                "tolerance": judged.tolerance,
                "positions": judged.positions,
                "reason": judged.reason or judged.note or None,
            }
            if judged.reason:
                self.log.write(schema.Outcome(implementation=name, status=judged.status, **facts))
                return None
            gc.collect()
            self.log.write(schema.Outcome(implementation=name, peak=peak_of(call, devices.of(self.device())), **facts))
        except Exception as error:
            self._failed(name, error)
            return None
        return call

    def _time(self, name: str, call: Callable[[], Any], taken: list[Measurement]) -> None:
        """One turn of torch's timer; the result includes the earlier turns."""
        before = compat.graphs_compiled()
        # Timer measures with one thread by default; compiled code has the number of threads built in.
        timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads(), label=name)
        turn = self.seconds / ROUNDS
        taken.append(timer.adaptive_autorange(min_run_time=turn, max_run_time=PATIENCE * turn))
        (whole,) = Measurement.merge(taken)
        times = torch.tensor(whole.times, dtype=torch.float64)
        self.log.write(
            schema.Timed(
                implementation=name,
                median=whole.median,
                p25=times.quantile(0.25).item(),
                p75=times.quantile(0.75).item(),
                calls=sum(one.number_per_run * len(one.raw_times) for one in taken),
                noisy=whole.has_warnings,
                recompiles=compat.graphs_compiled() - before,
            )
        )

    def _failed(self, name: str, error: Exception) -> None:
        refused = isinstance(error, (Unsupported, NotImplementedError))
        said = {"reason": str(error).strip().split("\n", 1)[0]} if refused else describe(error)
        self.log.write(schema.Outcome(implementation=name, status="unsupported" if refused else "failed", **said))
