"""Observes attention at the operator: which graphs have it, and whether they ran.

Nothing is inferred here. Each hook is at a place that all executions pass (see compat), and writes what it sees.
Compiled code is unchanged, except for one counter around each graph that has attention.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import torch

from compile_doctor.capture import schema
from compile_doctor.model.sizes import are_large
from compile_doctor.model.stacks import Frame
from compile_doctor.probe import compat
from compile_doctor.probe.observe import block_masks, graphs, masks
from compile_doctor.probe.observe.backward import Backwards
from compile_doctor.probe.observe.compiled import Compiled
from compile_doctor.probe.observe.dense import DenseRuns
from compile_doctor.probe.observe.events import EventLog, to_json
from compile_doctor.probe.observe.hooks import Hooks
from compile_doctor.probe.observe.stacks import python_stack
from compile_doctor.probe.observe.written import written_scores

ARTIFACT = "compile_doctor_graph"


class Observer:
    """One per process; `install` once, before the target is imported."""

    def __init__(self, log: EventLog, guard: bool = True) -> None:
        self.log = log
        self.phase: str | None = None
        """In `eager`, dense runs are intended and not counted; None if there are no phases (`run`)."""
        self.running: list[int] = []
        self.ran: dict[int, int] = {}
        self.sdpa: dict[str, Any] = {}
        """Each distinct SDPA call that was seen, for `sdpa_choice`."""
        self.calls: dict[int, list[list[Frame]]] = {}
        """The traced stacks of each graph's SDPA calls: a graph that runs as Python does not show them."""
        self.window: Callable[[str], Any] | None = None
        """A context manager around each graph and dense call, while memory is measured."""
        self._graphs = 0
        self._traced: dict[int, list[tuple[int, ...]]] = {}
        self._tables: dict[int, dict[str, masks.Read]] = {}
        self._blocks: dict[int, dict[str, block_masks.Differs]] = {}
        self.backwards = Backwards(log, lambda: self.window)
        self.hooks = Hooks(log)
        self.dense = DenseRuns(self, guard)
        self._compiled = Compiled(log, self.hooks)

    def install(self, hidden: str = "compile_doctor.probe") -> None:
        """`hidden`: the package or the module that Dynamo must not trace."""
        compat.keep_out_of_graphs(hidden)
        compat.replace_dense_entry(self.dense.watch)
        compat.replace_backend_call(self._watch_graphs)
        compat.replace_unwrap(self._compiled.watch_disable)
        compat.replace_compile_call(self._compiled.watch_compile)

    @property
    def seen(self) -> bool:
        return bool(self.ran or self.dense.counts)

    def write_counts(self) -> None:
        self.backwards.close()
        self.log.write(
            schema.AttentionCounts(
                graphs=dict(self.ran),
                dense=list(self.dense.counts.values()),
            )
        )
        self._compiled.write()

    def _watch_graphs(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call_user_compiler(output_graph: Any, gm: Any, *args: Any, **kwargs: Any) -> Any:
            number = None
            try:
                self.hooks.traced(output_graph, gm)
                number = self._graph(output_graph, gm)
            except Exception as error:  # an observer must never break a compilation
                self.log.write(schema.Lost(text=f"a graph could not be read: {type(error).__name__}: {error}"))
            compiled = method(output_graph, gm, *args, **kwargs)
            if number is None or compat.is_packaged(output_graph):
                return compiled
            return self._counted(compiled, number)

        return call_user_compiler

    def _graph(self, output_graph: Any, gm: Any) -> int | None:
        found = graphs.attention_nodes(gm)
        inlined = self._compiled.inlined(output_graph, gm)
        by_hand = written_scores(gm)
        collectives = graphs.collective_stacks(gm)
        if not found and not inlined and not by_hand and not collectives:
            return None
        self._graphs += 1
        self.calls[self._graphs] = [one["stack"] for one in found if one["api"] == "sdpa"]
        self._traced[self._graphs] = graphs.traced_sizes(gm)
        self._tables[self._graphs] = masks.mask_readers(gm)
        self._blocks[self._graphs] = block_masks.readers(gm)
        for one in found:
            if one["api"] == "sdpa":
                key = json.dumps([one["inputs"], one["options"]], sort_keys=True, default=str)
                self.sdpa.setdefault(key, one)
        record = schema.GraphSeen(
            number=self._graphs,
            backend=compat.backend_name(output_graph),
            attention=found,
            inlined=inlined,
            # torch's own record of the stack omits frames, and a flex_attention compiled by itself has only this.
            callers=python_stack(sys._getframe(2))[0][-8:],
            written=by_hand,
            collectives=collectives,
        )
        compat.trace_artifact(ARTIFACT, to_json(record))
        large = any(are_large(math.prod(one["scores"]), one["inputs"]) for one in by_hand)
        return self._graphs if found or large else None

    def _counted(self, compiled: Callable[..., Any], number: int) -> Callable[..., Any]:
        def graph(*args: Any, **kwargs: Any) -> Any:
            if self.phase == "eager":
                return compiled(*args, **kwargs)
            self.running.append(number)
            try:
                self._write_blocks(number, args)
                if self.window is None or not self._has_traced_sizes(number, args):
                    result = compiled(*args, **kwargs)
                else:
                    self._write_tables(number, args)
                    self.backwards.close()
                    with self.window(f"graph:{number}"):
                        result = compiled(*args, **kwargs)
                    self.backwards.watch(number, args, result)
            finally:
                self.running.pop()
                self.dense.graph_ended(number)
            if number not in self.ran:
                self.log.write(schema.GraphRan(number=number))
            self.ran[number] = self.ran.get(number, 0) + 1
            return result

        return graph

    def _has_traced_sizes(self, number: int, args: tuple[Any, ...]) -> bool:
        """Whether a call has the sizes that the evidence has for this graph: memory at others says nothing about them."""
        traced = self._traced.get(number, [])
        given = [graphs.input_size(one) for one in args]
        return len(given) == len(traced) and all(
            len(one) == len(other) and all(a == b or b < 0 for a, b in zip(one, other))
            for one, other in zip(given, traced)
        )

    def _write_tables(self, number: int, args: tuple[Any, ...]) -> None:
        """Writes once what each mask of the graph equals; before the call, which may change what the mask is made of."""
        for node, read in self._tables.pop(number, {}).items():
            try:
                with compat.outside_modes(), torch.no_grad():
                    found = masks.described(read(args))
            except Exception:  # what cannot be computed again is not known, and nothing is said about it
                continue
            self.log.write(schema.SdpaMask(number, node, **found))

    def _write_blocks(self, number: int, args: tuple[Any, ...]) -> None:
        """Writes once whether a BlockMask that does not fit the query has different blocks."""
        for node, differs in self._blocks.pop(number, {}).items():
            try:
                with compat.outside_modes(), torch.no_grad():
                    found = differs(args)
            except Exception:  # what cannot be computed again is not known, and nothing is said about it
                continue
            self.log.write(schema.BlockMaskRead(number, node, found))
