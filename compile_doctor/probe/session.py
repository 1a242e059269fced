"""One diagnosis in the child process: build, compiled runs, counters, then the eager control run."""

from __future__ import annotations

import gc
import importlib
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_map

from compile_doctor.capture import schema
from compile_doctor.model.tolerances import TOLERATED
from compile_doctor.probe import compat, devices
from compile_doctor.probe.calls import (
    compare,
    device_of,
    other_random_state,
    random_state,
    seed,
    unlike,
)
from compile_doctor.probe.environment import describe_environment
from compile_doctor.probe.equality.same_model import FirstModel
from compile_doctor.probe.file_state import FileState
from compile_doctor.probe.load import Inputs, Program, own_files
from compile_doctor.probe.memory.attention import measure_attention
from compile_doctor.probe.numerics.compare import Numerics
from compile_doctor.probe.numerics.decoding import Decode
from compile_doctor.probe.numerics.second_look import second_look
from compile_doctor.probe.numerics.state import Start
from compile_doctor.probe.observe.attention import Observer
from compile_doctor.probe.observe.cuda_graphs import CudaGraphs
from compile_doctor.probe.observe.dense import DenseRefusedError
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.prepared import Prepared
from compile_doctor.recipes import waiting

SEEN = "__compile_doctor_seen__"
"""Marks an exception that is recorded already."""


class Session(Prepared):
    """Runs what `settings` ask for."""

    def __init__(self, settings: dict[str, Any], log: EventLog) -> None:
        super().__init__(settings, log)
        self.observer = Observer(log)
        self.cuda_graphs = CudaGraphs()
        self.random = False
        """Whether the last calls drew random numbers, from torch's generators."""
        self.other_random = False
        """The same for numpy's and Python's."""
        self.numerics: Numerics | None = None
        self.first: FirstModel | None = None
        self.state: FileState | None = None

    def run(self) -> None:
        """Starts the recipes before torch imports what they change, runs, and records their outcomes at the end."""
        chosen = self.settings.get("patches")
        if chosen:
            waiting.start(chosen)
        try:
            self._run()
        except BaseException as error:
            self._end(chosen, orderly=getattr(error, SEEN, False))
            raise
        self._end(chosen)

    def _end(self, chosen: str | None, orderly: bool = True) -> None:
        """Records the outcomes of the recipes; the last event too if nothing but the target raised."""
        if chosen:
            self.log.write(schema.Patches(recipes=waiting.outcomes()))
        if orderly:
            self.log.end()

    def _run(self) -> None:
        log = self.log
        if self.settings["run"] == "clean-cache":
            self._clean_cache()
            return
        if self.settings["run"] == "diagnose":
            # Before the target: torch's loggers must exist, and the target's time must not include the import.
            importlib.import_module("torch._dynamo.convert_frame")
            from compile_doctor.probe.observe import guards
            from compile_doctor.probe.observe.logs import listen

            listen(log)
            guards.watch(log)
        self.observer.install()
        log.write(schema.Environment(describe_environment(None)))
        with _Marked(log, "import"):
            module = self.module()
        program = self.program(module)
        if program is None:
            return
        log.write(schema.Target(convention=program.convention))
        if self.settings["run"] == "control":
            self._eager(program, None)
            return
        self.state = FileState(module)
        with _Marked(log, "build"):
            model = self.build(program)
        with _Marked(log, "inputs"):
            inputs = self.inputs(program)
        device = device_of(model, inputs)
        log.write(schema.Environment(describe_environment(device)))
        if device and devices.of(device).has_graphs and self.settings["run"] == "diagnose":
            self.cuda_graphs.install()
        if self.settings.get("numerics") and self.settings.get("control", True):
            build = (lambda: self.build(program)) if program.rebuildable else None
            start = Start(build, lambda: self.inputs(program), model, inputs)
            self.numerics = Numerics(log, start, self.settings.get("backend"), bool(self.settings["grad"]))
        self.first = FirstModel(model)
        outputs, model = self._compiled(model, inputs), None
        del model
        gc.collect()
        if self.settings.get("control", True):
            self._eager(program, outputs)
            self._numerics(program, outputs is not None)
        log.write(schema.Modules(files=own_files()))

    def _clean_cache(self) -> None:
        """The compiled run once more, with an empty Inductor cache; leaves a record only if it passes."""
        with suppress(Exception):
            program = self.program(self.module())
            if program is not None:
                model, inputs = self.build(program), self.inputs(program)
                model = model if self.runs_as_it_is(model) else torch.compile(model, **self.options())
                for args, kwargs in inputs:
                    self.call(model, args, kwargs)
                self.log.write(schema.CleanCache(folders=tuple(self.settings["cache"])))

    def _compiled(self, model: Any, inputs: list[Inputs]) -> list[Any] | None:
        """The first call's outputs, or None if a call raised."""
        from compile_doctor.probe.observe.bytecode import Bytecode
        from compile_doctor.probe.observe.logs import write_counts

        parts = compat.compiled_parts(model)
        as_is = self.runs_as_it_is(model)
        self.log.write(schema.Compile(as_is=as_is, parts=len(parts)))
        bytecode = Bytecode() if self.settings.get("bytecode") else None
        outputs: list[Any] | None = None
        before = compat.graphs_compiled()
        try:
            with _Marked(self.log, "compiled"), compat.same_random() if self.numerics else nullcontext():
                if not as_is:
                    model = self.compile(model, self.options())
                outputs = self._calls(model, inputs, "compiled")
        except Exception:  # the phase has recorded it; the eager run must still show whether torch.compile is the cause
            pass
        finally:
            state = compat.compiler_state()
            self.log.write(
                schema.CompiledRun(before, compat.graphs_compiled(), str(state["stance"]), bool(state["disabled"]))
            )
            write_counts(self.log)
            self.observer.write_counts()
            self.cuda_graphs.write(self.log)
            if bytecode is not None:
                bytecode.write(self.log, Path(self.settings["directory"]))
        distinct = list({id(one): one for one in inputs}.values())
        calls = [partial(self.call, model, *one) for one in distinct]
        measure_attention(self.log, self.observer, model, calls, outputs is not None)
        return outputs

    def _eager(self, program: Program, outputs: list[Any] | None) -> None:
        self.observer.phase = "eager"
        expected: list[Any] | None = None
        # torch advises to compile flex_attention, which does not apply to a control run.
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        with _Marked(self.log, "eager"), compat.force_eager(), suppress(DenseRefusedError):
            start = self.numerics.start if self.numerics else None
            if start is None and self.state is not None and program.rebuildable:
                self.state.restore()
            model = start.model() if start else self.build(program)
            inputs = start.inputs() if start else self.inputs(program)
            used = start is None and self.first is not None and self.first.was_changed(model)
            expected = self._calls(model, inputs, "eager")
        if expected is None:
            self.log.write(schema.Phase(name="eager", state="refused"))
            self.log.write(schema.Difference(value=None, reason="eager attention would need more memory than is free"))
            return
        if outputs is None:
            return
        difference, scale, reason, odd, doubt = None, None, None, None, None
        random = self.random
        if used:
            reason = "build_model() returned the same module again, and the compiled run has changed its state"
        elif program.rebuildable or self.numerics:
            odd = unlike(outputs, expected)
            if odd is None:
                difference, scale, reason = compare(outputs, expected)
            random = random or (self.other_random and difference != 0)
            if not (random or self.numerics) and (odd or (difference and scale and difference > TOLERATED * scale)):
                doubt = self._second_look(program, outputs, expected)
        else:
            reason = "the target cannot be built again, so its state may have changed"
        self.log.write(
            schema.Difference(
                value=difference, scale=scale, random=random, reason=reason or odd, unlike=odd, doubt=doubt
            )
        )

    def _second_look(self, program: Program, outputs: list[Any], expected: list[Any]) -> str:
        """Why a large difference proves nothing; empty if it does."""

        def eagerly(change: Callable[[Any], Any]) -> list[Any]:
            with compat.force_eager():
                if self.state is not None:
                    self.state.restore()
                model = change(self.build(program))
                args, kwargs = change(self.inputs(program)[0])
                seed()
                return [self.call(model, args, kwargs)]

        return second_look(eagerly, outputs, expected)

    def _numerics(self, program: Program, compiles: bool) -> None:
        """The exact comparison. Decoding is compared even if `torch.compile` fails, because it also runs without it."""
        numerics = self.numerics
        if numerics is None:
            return

        def calls(model: Any, inputs: list[Inputs], phase: str) -> bool:
            self._calls(model, inputs, phase)
            return self.random or self.other_random

        def compiled(model: Any) -> Any:
            return model if self.runs_as_it_is(model) else torch.compile(model, **self.options())

        with _Marked(self.log, "numerics"):
            if compiles and "eager" in numerics.runs:
                numerics.random = self.random or self.other_random
                numerics.compare(calls, compiled)
            if program.decoding:
                decode = Decode(program.decoding, numerics, seed, self.place)
                decode.run(self.settings.get("chunks") or (), compiled if compiles else None)

    def _calls(self, model: Any, inputs: list[Inputs], phase: str) -> list[Any]:
        """Calls the model on each input set; returns a copy of the first result, for comparison."""
        seed()
        drawn, others = random_state(), other_random_state()
        kept: list[Any] = []
        for number, (args, kwargs) in enumerate(inputs):
            self.log.write(schema.Run(phase=phase, index=number))
            if self.numerics:
                output = self.numerics.call(phase, number, model, args, kwargs)
            else:
                output = self._timed(phase, number, lambda: self.call(model, args, kwargs))  # noqa: B023  # called at once
            if number == 0:
                kept.append(
                    tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, output)
                )
        self.random = drawn != random_state()
        self.other_random = others != other_random_state()
        return kept

    def _timed(self, phase: str, number: int, call: Callable[[], Any]) -> Any:
        at, begun = time.time(), time.perf_counter()
        output = call()
        devices.in_use().synchronize()
        self.log.write(schema.Called(phase, number, time.perf_counter() - begun, at * 1e6))
        return output


class _Marked:
    """`EventLog.phase` that marks an exception as recorded, so that it is not recorded again as the probe's own."""

    def __init__(self, log: EventLog, name: schema.PhaseName) -> None:
        self.phase = log.phase(name)

    def __enter__(self) -> None:
        self.phase.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            setattr(error, SEEN, True)
        self.phase.__exit__(kind, error, traceback)
