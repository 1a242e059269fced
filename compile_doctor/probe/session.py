"""One diagnosis inside the child: build, compiled runs, counters, then the eager control run."""

from __future__ import annotations

import gc
import importlib
import os
import random
import sys
import warnings
from contextlib import nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

from compile_doctor.patching import waiting
from compile_doctor.probe import compat
from compile_doctor.probe.attention import DenseRefusedError, Observer
from compile_doctor.probe.environment import describe_environment
from compile_doctor.probe.events import EventLog
from compile_doctor.probe.load import Inputs, NotATargetError, Program, find_program, import_file, own_files
from compile_doctor.probe.measure import measure_attention
from compile_doctor.probe.parity.decoding import Decode
from compile_doctor.probe.parity.numerics import Numerics
from compile_doctor.probe.parity.state import Start


class Session:
    """Runs what `settings` say; see `launch.Settings` for the fields."""

    def __init__(self, settings: dict[str, Any], log: EventLog) -> None:
        self.settings = settings
        self.log = log
        self.observer = Observer(log)
        self.random = False
        """Whether the last calls drew random numbers."""
        self.numerics: Numerics | None = None

    def run(self) -> None:
        """Recipes come first, before anything of torch's that they change; what became of them, last."""
        chosen = self.settings.get("patches")
        if chosen:
            waiting.start(chosen)
        try:
            self._run()
        finally:
            if chosen:
                self.log.write("patches", recipes=waiting.outcomes())

    def _run(self) -> None:
        log = self.log
        if self.settings["run"] == "diagnose":
            # Before the target: torch's loggers must exist, and the import is not the target's time.
            importlib.import_module("torch._dynamo.convert_frame")
            from compile_doctor.probe.logs import listen

            listen(log)
        self.observer.install()
        log.write("environment", **describe_environment(None))
        with _Marked(log, "import"):
            module = self._import()
        program = self._program(module)
        if program is None:
            return
        log.write("target", convention=program.convention)
        if self.settings["run"] == "control":
            self._eager(program, None)
            return
        with _Marked(log, "build"):
            model = self._build(program)
        with _Marked(log, "inputs"):
            inputs = self._inputs(program)
        log.write("environment", **describe_environment(_device(model, inputs)))
        if self.settings.get("numerics") and self.settings.get("control", True):
            build = (lambda: self._build(program)) if program.rebuildable else None
            start = Start(build, lambda: self._inputs(program), model, inputs)
            self.numerics = Numerics(log, start, self.settings.get("backend"), bool(self.settings["grad"]))
        outputs, model = self._compiled(model, inputs), None
        del model
        gc.collect()
        if self.settings.get("control", True):
            self._eager(program, outputs)
            self._numerics(program, outputs is not None)
        log.write("modules", files=own_files())

    def _import(self) -> ModuleType:
        if self.settings.get("path"):
            return import_file(Path(self.settings["path"]))
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(self.settings["module"])

    def _program(self, module: ModuleType) -> Program | None:
        try:
            return find_program(module, self.settings.get("attr"), self.settings.get("tokens"))
        except NotATargetError as error:
            self.log.write("not-a-target", message=str(error))
            return None

    def _build(self, program: Program) -> Any:
        _seed()
        model = program.build()
        if not callable(model):
            raise TypeError(f"the target gave a {type(model).__name__}, which cannot be called")
        device = self.settings.get("device")
        if device and isinstance(model, torch.nn.Module):
            model = model.to(device)
        return model

    def _inputs(self, program: Program) -> list[Inputs]:
        _seed()
        sets = program.input_sets()
        if not sets:
            raise ValueError("the target gave no inputs")
        sets = [self._place(one) for one in sets]
        # One set runs twice: a counter, or a function made anew per call, shows only at the second call.
        return sets * int(self.settings.get("repeat") or 2) if len(sets) == 1 else sets

    def _place(self, inputs: Any) -> Any:
        """Nested inputs on the device that was asked for."""
        device = self.settings.get("device")
        return tree_map(lambda leaf: leaf.to(device) if device and _has_device(leaf) else leaf, inputs)

    def _compiled(self, model: Any, inputs: list[Inputs]) -> list[Any] | None:
        """The outputs of each run, or None where one raised."""
        from compile_doctor.probe.bytecode import Bytecode
        from compile_doctor.probe.logs import write_counts

        as_is = bool(self.settings.get("as_is")) or compat.is_compiled(model) or compat.keeps_out(model)
        self.log.write("compile", as_is=as_is)
        bytecode = Bytecode() if self.settings.get("bytecode") else None
        outputs: list[Any] | None = None
        try:
            with _Marked(self.log, "compiled"), compat.same_random() if self.numerics else nullcontext():
                if not as_is:
                    model = self._compile(model, self._options())
                outputs = self._calls(model, inputs, "compiled")
        except Exception:  # recorded by the phase; the eager run must still tell whether torch.compile is to blame
            pass
        finally:
            write_counts(self.log)
            self.observer.write_counts()
            if bytecode is not None:
                bytecode.write(self.log, Path(self.settings["directory"]))
        measure_attention(self.log, self.observer, model, lambda: self._call(model, *inputs[0]), outputs is not None)
        return outputs

    def _options(self) -> dict[str, Any]:
        """torch.compile's, where they were asked for."""
        return {key: self.settings[key] for key in ("backend", "mode", "dynamic") if self.settings.get(key) is not None}

    def _compile(self, model: Any, options: dict[str, Any]) -> Any:
        """torch.compile; a backend or mode that it does not know is the user's mistake, not the model's."""
        try:
            return torch.compile(model, **options)
        except Exception as error:
            if type(error).__name__ == "InvalidBackend" or isinstance(error, (RuntimeError, ValueError, TypeError)):
                self.log.write("usage", message=str(error).strip().split("\n", 1)[0])
            raise

    def _eager(self, program: Program, outputs: list[Any] | None) -> None:
        self.observer.phase = "eager"
        expected: list[Any] | None = None
        # torch's advice to compile flex_attention is meant for others than a control run.
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        with _Marked(self.log, "eager"), compat.force_eager(), suppress(DenseRefusedError):
            start = self.numerics.start if self.numerics else None
            model = start.model() if start else self._build(program)
            inputs = start.inputs() if start else self._inputs(program)
            expected = self._calls(model, inputs, "eager")
        if expected is None:
            self.log.write("phase", name="eager", state="refused")
            self.log.write("difference", value=None, reason="eager attention would need more memory than there is")
            return
        if outputs is None:
            return
        difference, scale, reason, unlike = None, None, None, None
        if program.rebuildable or self.numerics:
            unlike = _unlike(outputs, expected)
            if unlike is None:
                difference, scale, reason = _compare(outputs, expected)
        else:
            reason = "the target cannot be built anew, so that its state may have changed"
        self.log.write(
            "difference", value=difference, scale=scale, random=self.random, reason=reason or unlike, unlike=unlike
        )

    def _numerics(self, program: Program, compiles: bool) -> None:
        """The exact comparison; decoding has no part of `torch.compile`, and is looked at where that fails too."""
        numerics = self.numerics
        if numerics is None:
            return

        def calls(model: Any, inputs: list[Inputs], phase: str) -> bool:
            self._calls(model, inputs, phase)
            return self.random

        def compiled(model: Any) -> Any:
            as_is = self.settings.get("as_is") or compat.is_compiled(model)
            return model if as_is else torch.compile(model, **self._options())

        with _Marked(self.log, "numerics"):
            if compiles and "eager" in numerics.runs:
                numerics.random = self.random
                numerics.compare(calls, compiled)
            if program.decoding:
                decode = Decode(program.decoding, numerics, _seed, self._place)
                decode.run(self.settings.get("chunks") or (), compiled if compiles else None)

    def _calls(self, model: Any, inputs: list[Inputs], phase: str) -> list[Any]:
        """Calls the model on each input set; keeps the first result, to compare."""
        _seed()
        drawn = _random_state()
        kept: list[Any] = []
        for number, (args, kwargs) in enumerate(inputs):
            self.log.write("run", phase=phase, index=number)
            if self.numerics:
                output = self.numerics.call(phase, number, model, args, kwargs)
            else:
                output = self._call(model, args, kwargs)
            if number == 0:
                kept.append(
                    tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, output)
                )
        self.random = drawn != _random_state()
        return kept

    def _call(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Forward and backward under --grad, else forward without gradients."""
        if self.settings.get("grad"):
            output = model(*args, **kwargs)
            _backward(output)
            return output
        with torch.no_grad():
            return model(*args, **kwargs)


class _Marked:
    """`EventLog.phase` that marks the exception as recorded, so that it is not recorded again as the probe's own."""

    def __init__(self, log: EventLog, name: str) -> None:
        self.phase = log.phase(name)

    def __enter__(self) -> None:
        self.phase.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            error.__compile_doctor_seen__ = True  # type: ignore[attr-defined]
        self.phase.__exit__(kind, error, traceback)


def _seed() -> None:
    torch.manual_seed(0)
    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def _random_state() -> list[bytes]:
    """torch's generators: compiled code draws other numbers than eager code, so that outputs may differ then."""
    states = [torch.get_rng_state()] + (torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])
    return [state.numpy().tobytes() for state in states]


def _has_device(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) or type(leaf).__name__ == "BlockMask"


def _backward(output: Any) -> None:
    leaves = [leaf for leaf in tree_flatten(output)[0] if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if leaves:
        sum(leaf.float().sum() if leaf.is_floating_point() else leaf.abs().sum() for leaf in leaves).backward()  # type: ignore[union-attr]


def _device(model: Any, inputs: list[Inputs]) -> str | None:
    """Where the target computes: its first parameter's device, else its first input's."""
    leaves = list(model.parameters()) if isinstance(model, torch.nn.Module) else []
    leaves += [leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor)]
    return leaves[0].device.type if leaves else None


def _unlike(compiled: list[Any], eager: list[Any]) -> str | None:
    """How the first call's outputs differ in what no number says: structure, shape, dtype, NaN, infinity. None: they do not."""
    mine, other = tree_flatten(compiled)[0], tree_flatten(eager)[0]
    if len(mine) != len(other):
        return f"compiled returns {len(mine)} values, eager {len(other)}"
    for a, b in zip(mine, other):
        if not (isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)):
            continue
        if a.shape != b.shape:
            return f"compiled returns shape {list(a.shape)}, eager {list(b.shape)}"
        if a.dtype != b.dtype:
            return (
                f"compiled returns {str(a.dtype).removeprefix('torch.')}, eager {str(b.dtype).removeprefix('torch.')}"
            )
        if _has_numbers(a) and _has_numbers(b):
            left, right = _widened(a), _widened(b)
            if not torch.equal(left.isnan(), right.isnan()):
                return "NaN in one of compiled and eager only"
            if _gap(left, right).max().item() == float("inf"):
                return "infinite in one of compiled and eager only"
    return None


def _compare(compiled: list[Any], eager: list[Any]) -> tuple[float | None, float | None, str | None]:
    """(largest absolute difference, largest finite eager value, None) over the first call's tensors, or (None, None, why).

    The outputs are alike: `_unlike` found nothing.
    """
    worst: float | None = None
    scale = 0.0
    for a, b in zip(tree_flatten(compiled)[0], tree_flatten(eager)[0]):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and _has_numbers(a) and _has_numbers(b):
            left, right = _widened(a), _widened(b)
            worst = max(worst or 0.0, _gap(left, right).max().item())
            scale = max(scale, right.abs().nan_to_num(0.0, posinf=0.0).max().item())
    return (None, None, "no tensors to compare") if worst is None else (worst, scale, None)


def _has_numbers(tensor: torch.Tensor) -> bool:
    return not (tensor.numel() == 0 or tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", torch.complex128 if tensor.is_complex() else torch.float64)


def _gap(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return torch.where(left == right, 0.0, (left - right).abs()).nan_to_num(0.0, posinf=float("inf"))
