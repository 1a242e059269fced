"""Puts torch's timed events together: a begin and an end each, nested, and the phase that their time belongs to."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from compile_doctor.model.timeline import PHASES, Span, Timing

SHORT = 1000
"""Microseconds below which a span is not kept: torch times each of its passes."""
MOST = 400
"""Spans that are kept of one compilation."""

_PHASES = tuple(
    (re.compile(pattern), phase)
    for pattern, phase in (
        (
            r"^(dynamo|entire_frame|compile_attempt|bytecode_|build_guards|gc$|fullgraph|precompile_|compiled_auto)",
            "dynamo",
        ),
        (r"autotuning|_autotune$|benchmark|descent_tuning|do_bench", "autotuning"),
        (r"(?i)cudagraph", "cuda_graphs"),
        (r"compile_file|PyCodeCache|async_compile|precompil|(?i:cutlass)|reload_kernel|fatbin", "kernels"),
        (r"Cache\.|CacheBase|codecache|TritonBundler|CompiledArtifact|^pgo\.|GraphPickler|deserializ", "caches"),
        (r"^code_gen$|\.codegen|^Scheduler|^\w*Wrapper\w*\.generate|generate_kernel_code", "codegen"),
        (
            r"(?<!_trace)_graph_passes|_grad_passes|^pass\.|GraphLowering|inductor_|compile_fx|fx_codegen|fake_tensor_prop",
            "lowering",
        ),
        (r"backend_compile|aot_|min_cut|joint_graph|backward_compile|invoke_subgraph", "aot_autograd"),
    )
)
"""The phase of an event by its name; one that is not named here belongs to the phase of what it is within."""


@lru_cache(maxsize=4096)
def phase_of(name: str, within: str) -> str:
    """The phase of an event with this name, within an event of another phase."""
    return next((phase for pattern, phase in _PHASES if pattern.search(name)), within)


@dataclass
class _Open:
    name: str
    phase: str
    start: int
    inner: int = 0
    """Microseconds of what was timed within it."""


@dataclass
class Timer:
    """The events of one compilation, or of one process outside of any."""

    outside: str = "dynamo"
    """The phase of what is within nothing."""
    index: int = -1
    """Which compilation it is."""
    open: list[_Open] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int = 0
    total: int = 0
    omitted: int = 0

    def begin(self, name: str, at: int) -> None:
        within = self.open[-1].phase if self.open else self.outside
        self.open.append(_Open(name, phase_of(name, within), at))
        self.first = at if self.first is None else min(at, self.first)
        self.last = max(self.last, at)

    def end(self, name: str, at: int, ended: bool = True) -> None:
        """Ends the innermost event of that name; what is open within it was left by an exception."""
        if not any(one.name == name for one in self.open):
            return
        self.last = max(self.last, at)
        while True:
            one = self.open.pop()
            duration = max(at - one.start, 0)
            self.spent[one.phase] += max(duration - one.inner, 0)
            if self.open:
                self.open[-1].inner += duration
            else:
                self.total += duration
            self._keep(Span(one.name, one.phase, one.start, duration, len(self.open), ended))
            if one.name == name:
                return

    def _keep(self, span: Span) -> None:
        if span.duration < SHORT and span.depth:
            self.omitted += 1
            return
        self.spans.append(span)
        if len(self.spans) >= 2 * MOST:
            self._shorten()

    def _shorten(self) -> None:
        """Keeps the longest."""
        self.spans.sort(key=lambda one: -one.duration)
        self.omitted += max(len(self.spans) - MOST, 0)
        del self.spans[MOST:]

    def timing(self) -> Timing | None:
        """What was timed; None if nothing was. What is still open ends with the last that is known."""
        if self.open:
            self.end(self.open[0].name, self.last, ended=False)
        if self.first is None:
            return None
        self._shorten()
        phases = tuple((phase, self.spent[phase]) for phase in PHASES if self.spent[phase])
        spans = tuple(sorted(self.spans, key=lambda one: (one.start, one.depth)))
        return Timing(self.first, self.total, phases, spans, self.omitted)
