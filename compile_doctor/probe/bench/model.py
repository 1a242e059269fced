"""Benchmarks of the user's model: eager against compiled, forward, with backward, and prefill against decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.bench.machine import ran_on
from compile_doctor.probe.bench.timing import Contender, Judge, Judged
from compile_doctor.probe.calls import backward, compare, has_device, random_state, seed, unlike
from compile_doctor.probe.load import Asked, Program, find_program
from compile_doctor.probe.observe.events import EventLog

TOLERATED = 0.1
"""Allowed difference as a share of eager's largest value: up to it CD601 reports nothing."""

HOOKED = ("prefill", "decode")
"""full(model, inputs), and incremental(model, inputs, 1)."""


class ModelSubject:
    """A target with `build_model()` and `example_inputs()`; with the hooks `full()` and `incremental()` also a decoder."""

    kind = "model"

    def __init__(self, module: ModuleType, settings: dict[str, Any], log: EventLog) -> None:
        self.log = log
        self.device = torch.device(settings["device"] or "cpu").type
        self.settings = settings
        self.program: Program = find_program(module, settings["attr"], Asked(settings["tokens"]))
        self.convention = self.program.convention
        self._where = settings["device"]
        """The device that the user requested; None leaves the model where it is built."""
        self._expected: Any = None
        self._state: list[bytes] = []
        """The states of torch's generators before the first call."""
        self._notes: list[str] = []

    def groups(self) -> list[dict[str, Any]]:
        """Eager against compiled, for each case that the target supports."""
        cases = list(HOOKED) if self.program.decoding else ["forward"]
        if self.settings["grad"]:
            cases.append("forward+backward")
        names = ["eager", self._compiled_name()]
        return [{"case": case, "implementations": names} for case in cases]

    def contest(self, case: str, tokens: int | None) -> tuple[list[Contender], Judge]:
        contenders = [
            # Eager even if the target has compiled parts.
            Contender("eager", lambda: self._prepare(case, False), around=compat.force_eager, reference=True),
            Contender(self._compiled_name(), lambda: self._prepare(case, True)),
        ]
        return contenders, lambda name, output: replace(self._judge(name, output), positions=_positions(case, output))

    def _compiled_name(self) -> str:
        if self.settings["as_is"]:
            return "as it is"
        backend = self.settings["backend"] or "inductor"
        # Dynamo's graphs run uncompiled, which differs from no torch.compile at all, and needs another name.
        backend = "backend-eager" if backend == "eager" else backend
        return "-".join(filter(None, [backend, self.settings["mode"]]))

    def _prepare(self, case: str, compiled: bool) -> Callable[[], Any]:
        """A call with its own model and inputs, both from the same seed: runs cannot change each other's tensors."""
        call = self._calls()[case]
        seed()
        model = self.program.build()
        if not callable(model):
            raise TypeError(f"the target returned a {type(model).__name__}, which cannot be called")
        if self._where and isinstance(model, torch.nn.Module):
            model = model.to(self._where)
        inputs = self._inputs(case)
        self._describe(model, inputs)
        own = compat.is_compiled(model)
        already = own and not self.settings["as_is"]
        self._notes = (
            ["the target is already compiled: it is measured without another torch.compile"] if already else []
        )
        if compiled and not own and not self.settings["as_is"]:
            model = self._compile(model)
        seed()
        self._state = random_state()
        return lambda: call(model, inputs)

    def _calls(self) -> dict[str, Callable[[Any, Any], Any]]:
        calls: dict[str, Callable[[Any, Any], Any]] = {"forward": _forward, "forward+backward": _training_step}
        decoding = self.program.decoding
        if decoding:
            calls["prefill"] = decoding.full
            calls["decode"] = lambda model, inputs: decoding.incremental(model, inputs, 1)
        return calls

    def _compile(self, model: Any) -> Any:
        """Calls torch.compile. A backend or mode that it does not know is recorded as a usage error, not as the model's."""
        options = {key: self.settings[key] for key in ("backend", "mode", "dynamic")}
        try:
            return torch.compile(model, **{key: value for key, value in options.items() if value is not None})
        except Exception as error:
            self.log.write(
                schema.Usage(message=f"torch.compile refuses these options: {error}".strip().split("\n", 1)[0])
            )
            raise

    def _inputs(self, case: str) -> Any:
        """The first set of example inputs: unchanged for the hooks, as (args, kwargs) for the model."""
        seed()
        decoding = self.program.decoding
        made = decoding.inputs() if decoding and case in HOOKED else next(iter(self.program.input_sets()), None)
        if made is None:
            raise ValueError("the target returned no inputs")
        return tree_map(lambda leaf: leaf.to(self._where) if self._where and has_device(leaf) else leaf, made)

    def _describe(self, model: Any, inputs: Any) -> None:
        """Records the device and the dtype of the model: those of its first parameter, else of its first input."""
        leaves = list(model.parameters()) if isinstance(model, torch.nn.Module) else []
        leaves += [
            leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
        ]
        if leaves:
            self.device = leaves[0].device.type
            self.log.write(schema.Environment(ran_on(self.device, leaves[0].dtype)))

    def _judge(self, name: str, output: Any) -> Judged:
        """Compares an output with eager's, which comes first. If random numbers are drawn, there is nothing to compare."""
        drawn = self._state != random_state()
        if name == "eager":
            self._expected = None if drawn else tree_map(_kept, output)
            return Judged(note="it draws random numbers: its outputs are not compared" if drawn else "")
        if self._expected is None or drawn:
            why = "it draws random numbers" if drawn else "there is no eager output to compare with"
            return Judged(note="; ".join([*self._notes, f"not compared: {why}"]))
        odd = unlike([output], [self._expected])
        if odd:
            return Judged(reason=f"its output is not that of eager: {odd}")
        difference, scale, reason = compare([output], [self._expected])
        if difference is None:
            return Judged(note="; ".join([*self._notes, f"not compared: {reason}"]))
        tolerance = TOLERATED * (scale or 0.0)
        if difference <= tolerance:
            return Judged(difference, tolerance, note="; ".join(self._notes))
        return Judged(
            difference, tolerance, f"differs from eager by {difference:.2g}; the largest value is {scale:.2g}"
        )


def _forward(model: Any, inputs: Any) -> Any:
    args, kwargs = inputs
    return model(*args, **kwargs)


def _training_step(model: Any, inputs: Any) -> Any:
    """Forward and backward without earlier gradients, as after `optimizer.zero_grad()`; returns (output, gradients).

    The gradients are removed at the end, not at the start: memory that is freed in the call would lower its peak.
    """
    args, kwargs = inputs
    leaves = list(model.parameters()) if isinstance(model, torch.nn.Module) else []
    leaves += [leaf for leaf in tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    output = model(*args, **kwargs)
    backward(output)
    gradients = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    return output, gradients


def _positions(case: str, output: Any) -> int | None:
    """The number of positions in the hooks' output, (batch, positions, …), in a full run and in steps."""
    return output.shape[1] if case in HOOKED and isinstance(output, torch.Tensor) and output.dim() > 1 else None


def _kept(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf
