"""Calls of torch.compile and of torch.compiler.disable: what they were given, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import torch

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe import graphs
from compile_doctor.probe.observe.compile_calls import CompileCalls
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.failures import ours
from compile_doctor.probe.observe.hooks import Hooks
from compile_doctor.probe.observe.made import Made
from compile_doctor.probe.observe.stacks import code_of, module_of, name_of, of_torch, python_stack

_COMPILE_CALLERS = ("torch/__init__.py", "torch/nn/modules/module.py")


class Compiled:
    """What the program has compiled, each with the options of its own."""

    def __init__(self, log: EventLog, hooks: Hooks) -> None:
        self._log = log
        self._codes: list[tuple[CodeType, schema.CompiledFunction]] = []
        self._made = Made(hooks.around)
        self._calls = CompileCalls(log)

    def write(self) -> None:
        self._made.write(self._log)
        self._calls.write()

    def watch_disable(self, unwrap: Callable[..., Any]) -> Callable[..., Any]:
        def innermost_fn(function: Any, *args: Any, **kwargs: Any) -> Any:
            inner = unwrap(function, *args, **kwargs)
            try:
                if inner is not function and compat.is_compiled(function):
                    stack, _ = python_stack(sys._getframe(1))
                    self._log.write(
                        schema.DisabledCompiled(stack=stack, function=name_of(inner), module=module_of(inner))
                    )
            except Exception as error:  # an observer must never break the program
                self._log.write(
                    schema.Lost(
                        text=f"a call of torch.compiler.disable could not be read: {type(error).__name__}: {error}"
                    )
                )
            return inner

        return innermost_fn

    def watch_compile(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def compile_(context: Any, function: Any) -> Any:
            try:
                self._compile(context, function)
            except Exception as error:  # an observer must never break the program
                self._log.write(
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
        if caller is None or ours(caller.f_code.co_filename) or of_torch(caller.f_code.co_filename):
            return
        for name in ("mode", "dynamic", "backend", "options"):
            value = frame.f_locals.get(name)
            if value is not None and value not in ("default", "inductor") and not compat.is_inductor(value):
                options[name] = _readable(value)
        stack, _ = python_stack(caller)
        module = isinstance(function, torch.nn.Module)
        owner = getattr(function, "__self__", None)  # of a module's method, in module.compile()
        compiled = owner if isinstance(owner, torch.nn.Module) else function
        name = "" if compiled is function else name_of(compiled)
        forward = code_of(compiled)
        foreign = bool(name) and forward is not None and of_torch(forward.co_filename)
        unused = schema.NeverCalled(stack[-3:], name_of(function), module, name)
        self._made.watch(context, unused, schema.CalledInVain(stack[-3:], name_of(function), name, foreign))
        self._calls.saw(context, frame.f_locals, stack, name_of(compiled))
        code = code_of(function)
        if not options or code is None:
            return
        entry = schema.CompiledFunction(options, name_of(function), stack[-3:], code.co_filename)
        self._log.write(entry)
        self._codes.append((code, entry))

    def inlined(self, output_graph: Any, gm: Any) -> list[schema.CompiledFunction]:
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


def _readable(value: Any) -> Any:
    if isinstance(value, (str, bool, int)):
        return value
    name = getattr(value, "compiler_name", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else str(value)
