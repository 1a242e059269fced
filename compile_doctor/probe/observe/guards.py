"""Times the guards of each compilation, when torch has built them and checked that they hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from compile_doctor.model.guards import GuardCost, SlowGuard
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog

LONGEST = 0.02
"""Seconds that may be spent on the guards of one compilation."""
ROUNDS = 25
"""Short ones: on a busy machine a long one is never undisturbed."""
MOST_TIMED = 200
"""Compilations of a process that are timed."""
MOST_VALUES = 300
"""Guards of one compilation that are timed by themselves."""
SHOWN = 5


def watch(log: EventLog) -> None:
    """Begins to time the guards of each compilation of this process. Nothing that fails here reaches the program."""
    left = MOST_TIMED

    def built(root: Any, local_scope: dict[str, Any], global_scope: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        compile_id = compat.current_compile_id()
        if left >= 0 and compile_id is not None:
            try:
                log.write(measure(compile_id, root, local_scope, global_scope))
            except Exception:  # a figure of its own: no finding rests on it
                return

    compat.on_guards(built)


def measure(compile_id: str, root: Any, local_scope: dict[str, Any], global_scope: dict[str, Any]) -> GuardCost:
    whole = _timed(lambda: root.check(local_scope), time.perf_counter() + LONGEST / 2)
    values = list(_values(root))
    guards = [guard for _, own in values for guard in own] + list(compat.epilogue_guards(root))
    return GuardCost(
        compile_id=compile_id,
        microseconds=whole,
        guards=len(guards),
        python=sum(compat.is_python_guard(guard) for guard in guards),
        slowest=tuple(_slowest(values, {"L": local_scope, "G": global_scope})),
    )


def _values(manager: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Each guarded value with its own guards, outermost first."""
    waiting = [manager]
    while waiting:
        one = waiting.pop()
        yield one, list(one.get_leaf_guards())
        waiting += reversed(compat.inner_guards(one))


def _slowest(values: list[tuple[Any, list[Any]]], scope: dict[str, Any]) -> list[SlowGuard]:
    """The slowest of the first guards, each called by itself; those in Python first, since they are the slow kind."""
    guards = [(manager, guard) for manager, own in values for guard in own]
    guards.sort(key=lambda item: not compat.is_python_guard(item[1]))
    until = time.perf_counter() + LONGEST
    found = []
    for manager, guard in guards[:MOST_VALUES]:
        if time.perf_counter() > until:
            break
        source = str(manager.get_source())
        try:
            value = eval(source, dict(scope))
            spent = _timed(lambda: guard(value), time.perf_counter() + LONGEST / MOST_VALUES)  # noqa: B023  # at once
        except Exception:  # a value that only C++ can reach
            continue
        text = "; ".join(guard.verbose_code_parts()).partition("  # ")[0].strip()
        found.append(SlowGuard(source[:200], text[:200], round(spent, 2)))
    return sorted(found, key=lambda one: (-one.microseconds, one.source))[:SHOWN]


def _timed(call: Callable[[], Any], until: float) -> float:
    """Microseconds of one call: of the quickest round, so that what else the machine does counts least."""
    begun = time.perf_counter()
    call()
    once = max(time.perf_counter() - begun, 1e-7)
    calls = max(1, min(200, int(max(until - time.perf_counter(), 0.0) / once / ROUNDS)))
    best = once
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - begun) / calls)
        if time.perf_counter() > until:
            break
    return round(best * 1e6, 3)
