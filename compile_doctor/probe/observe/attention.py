"""Observes attention at the operator: which graphs have it, whether they ran, and every dense run of flex_attention.

Nothing is inferred here. Each hook is at a place that all executions pass (see compat), and writes what it sees.
Compiled code is unchanged, except for one counter around each graph that has attention.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import torch

from compile_doctor.capture import schema
from compile_doctor.model.attention import DenseRefused
from compile_doctor.model.sizes import are_large, dense_need
from compile_doctor.model.stacks import Frame
from compile_doctor.probe import compat, devices
from compile_doctor.probe.observe import block_masks, graphs, masks
from compile_doctor.probe.observe.backward import Backwards
from compile_doctor.probe.observe.compile_calls import CompileCalls
from compile_doctor.probe.observe.events import EventLog, to_json
from compile_doctor.probe.observe.failures import ours
from compile_doctor.probe.observe.hooks import Hooks
from compile_doctor.probe.observe.made import Made
from compile_doctor.probe.observe.written import written_scores

ARTIFACT = "compile_doctor_graph"
_DEEPEST = 200
_PLUMBING = re.compile(
    r"[/\\]torch[/\\](?:_dynamo|fx|_functorch|_higher_order_ops|_ops\.py|_compile\.py|utils|nn[/\\]modules[/\\]module\.py)"
)
_COMPILE_CALLERS = ("torch/__init__.py", "torch/nn/modules/module.py")


class DenseRefusedError(MemoryError):
    """The dense path was about to allocate more memory than is free; it was recorded and stopped."""


class Observer:
    """One per process; `install` once, before the target is imported."""

    def __init__(self, log: EventLog, guard: bool = True) -> None:
        self.log = log
        self.guard = guard
        """Whether to stop a dense call that would not fit in memory; not in a program that is only observed (`run`)."""
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
        self._dense: dict[Any, int] = {}
        self._calls: dict[int, int] = {}
        self._codes: list[tuple[CodeType, schema.CompiledFunction]] = []
        self.backwards = Backwards(log, lambda: self.window)
        self.hooks = Hooks(log)
        self.made = Made(self.hooks.around)
        self.compile_calls = CompileCalls(log)

    def install(self, hidden: str = "compile_doctor.probe") -> None:
        """`hidden`: the package or the module that Dynamo must not trace."""
        compat.keep_out_of_graphs(hidden)
        compat.replace_dense_entry(self._watch_dense)
        compat.replace_backend_call(self._watch_graphs)
        compat.replace_unwrap(self._watch_disable)
        compat.replace_compile_call(self._watch_compile)

    @property
    def seen(self) -> bool:
        return bool(self.ran or self._dense)

    @property
    def dense_calls(self) -> list[int]:
        """How often each dense call ran, in the order in which they were first seen."""
        return list(self._dense.values())

    def write_counts(self) -> None:
        self.backwards.close()
        self.log.write(
            schema.AttentionCounts(
                graphs=dict(self.ran),
                dense=self.dense_calls,
            )
        )
        self.made.write(self.log)
        self.compile_calls.write()

    # -- the graphs that have attention -------------------------------------------------------------------------------

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
        inlined = self._inlined(output_graph, gm)
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
                self._calls.pop(number, None)
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

    # -- the dense path of flex_attention -----------------------------------------------------------------------------

    def _watch_dense(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        def dense(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
            if self.phase == "eager":
                self._refuse(query, key)
                return entry(query, key, value, *args, **kwargs)
            identity = -1
            try:
                identity = self._saw_dense(query, key, value)
            except Exception as error:  # an observer must never break the program
                self.log.write(schema.Lost(text=f"a dense call could not be read: {type(error).__name__}: {error}"))
            self._refuse(query, key)
            if self.window is None:
                result = entry(query, key, value, *args, **kwargs)
            else:
                with self.window(f"dense:{identity}"):
                    result = entry(query, key, value, *args, **kwargs)
            return result

        return dense

    def _saw_dense(self, query: Any, key: Any, value: Any) -> int:
        """Writes one event per graph node or stack of the user's, and counts repetitions; returns its number."""
        number = self.running[-1] if self.running else None
        index = self._calls.get(number, 0) if number is not None else None
        if number is not None:
            self._calls[number] = self._calls.get(number, 0) + 1
        stack, wrappers = python_stack(sys._getframe(2))
        identity = (number, index, tuple(tuple(entry[:3]) for entry in stack))
        if identity not in self._dense:
            self._dense[identity] = 0
            self.log.write(
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
        self._dense[identity] += 1
        return list(self._dense).index(identity)

    def _refuse(self, query: Any, key: Any) -> None:
        """Raises DenseRefusedError if the scores would not fit in memory, so that the evidence survives."""
        needed, left = dense_bytes(query, key), devices.of(query.device.type).free()
        if self.guard and left is not None and needed > left:
            self.log.write(DenseRefused(phase=str(self.phase), needed=needed, left=left))
            raise DenseRefusedError(
                f"compile-doctor stopped dense attention: it needs about {needed:,} bytes, and {left:,} are free"
            )

    # -- torch.compiler.disable and torch.compile ---------------------------------------------------------------------

    def _watch_disable(self, unwrap: Callable[..., Any]) -> Callable[..., Any]:
        def innermost_fn(function: Any, *args: Any, **kwargs: Any) -> Any:
            inner = unwrap(function, *args, **kwargs)
            try:
                if inner is not function and compat.is_compiled(function):
                    stack, _ = python_stack(sys._getframe(1))
                    self.log.write(schema.DisabledCompiled(stack=stack, function=_name(inner), module=_module(inner)))
            except Exception as error:  # an observer must never break the program
                self.log.write(
                    schema.Lost(
                        text=f"a call of torch.compiler.disable could not be read: {type(error).__name__}: {error}"
                    )
                )
            return inner

        return innermost_fn

    def _watch_compile(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def compile_(context: Any, function: Any) -> Any:
            try:
                self._compile(context, function)
            except Exception as error:  # an observer must never break the program
                self.log.write(
                    schema.Lost(text=f"a call of torch.compile could not be read: {type(error).__name__}: {error}")
                )
            return method(context, function)

        return compile_

    def _compile(self, context: Any, function: Any) -> None:
        frame: FrameType | None = sys._getframe(2)
        options: dict[str, Any] = {}
        while frame is not None and not (
            frame.f_code.co_name == "compile" and frame.f_globals.get("__name__") == "torch"
        ):
            frame = frame.f_back
        if frame is None:
            return
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename.endswith(_COMPILE_CALLERS):
            caller = caller.f_back  # used as a decorator with options, or as a module's method
        if caller is None or ours(caller.f_code.co_filename) or _of_torch(caller.f_code.co_filename):
            return
        for name in ("mode", "dynamic", "backend", "options"):
            value = frame.f_locals.get(name)
            if value is not None and value not in ("default", "inductor") and not compat.is_inductor(value):
                options[name] = _readable(value)
        stack, _ = python_stack(caller)
        module = isinstance(function, torch.nn.Module)
        owner = getattr(function, "__self__", None)  # of a module's method, in module.compile()
        compiled = owner if isinstance(owner, torch.nn.Module) else function
        name = "" if compiled is function else _name(compiled)
        forward = _code(compiled)
        of_torch = bool(name) and forward is not None and _of_torch(forward.co_filename)
        unused = schema.NeverCalled(stack[-3:], _name(function), module, name)
        self.made.watch(context, unused, schema.CalledInVain(stack[-3:], _name(function), name, of_torch))
        self.compile_calls.saw(context, frame.f_locals, stack, _name(compiled))
        code = _code(function)
        if not options or code is None:
            return
        entry = schema.CompiledFunction(options, _name(function), stack[-3:], code.co_filename)
        self.log.write(entry)
        self._codes.append((code, entry))

    def _inlined(self, output_graph: Any, gm: Any) -> list[schema.CompiledFunction]:
        """The functions with a torch.compile and options of their own that this graph has inlined."""
        root = getattr(getattr(output_graph, "root_tx", None), "f_code", None)
        if not self._codes or root is None:
            return []
        # With the graph's own options nothing is lost, and it may be the plain function, as in super().forward().
        same = [entry.options for code, entry in self._codes if code is root]
        candidates = [(code, entry) for code, entry in self._codes if code is not root and entry.options not in same]
        found: list[schema.CompiledFunction] = []
        for stack in graphs.stacks(gm):
            for code, entry in candidates:
                first, last = code.co_firstlineno, max((line or 0 for *_, line in code.co_lines()), default=0)
                inside = any(file == code.co_filename and first <= line <= last for file, line, _, _ in stack[1:])
                if inside and entry not in found:
                    found.append(entry)
        return found


def python_stack(frame: FrameType | None) -> tuple[list[Frame], list[schema.WrapperSeen]]:
    """(the Python stack, outermost first, without torch's call plumbing; the disable wrappers in it).

    Dynamo itself disables each graph's compiled function; these, which appear as `graph` of this file, do not count.
    """
    found: list[Frame] = []
    wrappers: list[schema.WrapperSeen] = []
    while frame is not None and len(found) < _DEEPEST:
        code = frame.f_code
        if not ours(code.co_filename) and not _PLUMBING.search(code.co_filename):
            found.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        elif code.co_name == "_fn" and code.co_filename.endswith("eval_frame.py"):
            function = compat.disabled_function(frame.f_locals)
            if function is not None and not ours(_file(function)):
                wrappers.append({"function": _name(function), "module": _module(function), "recursive": True})
        elif code.co_name == "nonrecursive_disable_wrapper":
            function = frame.f_locals.get("fn")
            wrappers.append({"function": _name(function), "module": _module(function), "recursive": False})
        frame = frame.f_back
    return found[::-1], wrappers[::-1]


def dense_bytes(query: Any, key: Any) -> int:
    heads, pairs = query.shape[0] * query.shape[1], query.shape[2] * key.shape[-2]
    return dense_need(heads * pairs, pairs)


def _readable(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    name = getattr(value, "compiler_name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else str(value)


def _file(function: Any) -> str:
    return str(getattr(getattr(function, "__code__", None), "co_filename", ""))


def _code(function: Any) -> CodeType | None:
    target = getattr(function, "forward", function)
    return getattr(getattr(target, "__func__", target), "__code__", None)


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _module(function: Any) -> str:
    return str(getattr(function, "__module__", type(function).__module__))


def _of_torch(file: str) -> bool:
    return "/torch/" in file.replace("\\", "/") and "site-packages" in file
