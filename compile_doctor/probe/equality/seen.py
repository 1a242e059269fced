"""What a run of the target does that can be seen from outside: results, gradients, state, messages, random numbers."""

from __future__ import annotations

import io
import logging
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from compile_doctor.probe.calls import other_random_state, random_state
from compile_doctor.probe.numerics.trees import held, input_tensors, leaves, uncompiled

Values = dict[str, Any]
"""Tensors (copies on the CPU), numbers and texts, by name."""
LARGE = 1 << 16
"""Elements from which on a tensor that no call has changed is not kept: 21 cases of a model would be 21 models."""
UNCHANGED = "unchanged"
"""Stands for such a tensor."""


@dataclass
class Seen:
    """One case: all calls of one target, with one list of inputs."""

    name: str
    error: str = ""
    """The type of the exception that ended it."""
    results: Values = field(default_factory=dict)
    gradients: Values = field(default_factory=dict)
    state: Values = field(default_factory=dict)
    """Parameters, buffers, plain attributes of modules, plain globals of the target's files, and the inputs after it."""
    messages: list[str] = field(default_factory=list)
    """What was printed, logged and warned of, in this order for each kind."""
    drawn: str = ""
    """The state of the random generators after it."""
    said: str = ""
    """The first line of the exception's message. Not compared: it may contain numbers."""
    seconds: float = 0.0
    """How long it took, with compilation. Not compared."""
    backward: bool = False
    """Whether it was run with gradients, and backward."""

    @property
    def gradient_bytes(self) -> int:
        return sum(one.numel() * one.itemsize for one in self.gradients.values() if isinstance(one, torch.Tensor))


def plain(value: Any) -> Any:
    """A value that can be kept and compared; None for one that cannot."""
    if isinstance(value, torch.Tensor):
        if value.is_meta or value.is_quantized or value.layout is not torch.strided:
            return None
        whole = value.full_tensor() if hasattr(value, "full_tensor") else value  # a DTensor: FSDP shards again or not
        return whole.detach().to("cpu", copy=True)
    if isinstance(value, (bool, int, float, complex, str)) or value is None:
        return repr(value) if isinstance(value, complex) else value
    return None


def values_of(value: Any, name: str) -> Values:
    """The leaves of a result, by name."""
    return {key: kept for key, leaf in leaves(value, name) if (kept := plain(leaf)) is not None or leaf is None}


def state_of(
    model: Any, inputs: Any, files: set[str], start: Mapping[str, torch.Tensor] | None = None, factor: float = 1.0
) -> Values:
    """What calls may have changed: tensors of the model and the inputs, and plain attributes and globals.

    `start`: the tensors of the model before them, times `factor` if they are parameters.
    """
    private = set(_private_buffers(model))
    found: Values = {
        name: UNCHANGED if _is(tensor, (start or {}).get(name), factor) else plain(tensor)
        for name, tensor in held(model)
        if name not in private
    }
    for number, (args, kwargs) in enumerate(inputs):
        found |= {f"{name} of call {number + 1}": plain(tensor) for name, tensor in input_tensors(args, kwargs)}
    inner = uncompiled(model)
    if isinstance(inner, torch.nn.Module):
        for path, module in inner.named_modules():
            for key, value in vars(module).items():
                if not key.startswith("_"):
                    found |= _simple(value, ".".join(filter(None, [path, key])))
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) in files:
            for key, value in vars(module).items():
                if not key.startswith("__") and not isinstance(value, type):
                    found |= _simple(value, f"global {name.rpartition('.')[2]}.{key}")
    return found


def _is(tensor: torch.Tensor, before: torch.Tensor | None, factor: float) -> bool:
    """Whether a large tensor has the values from before."""
    if (
        hasattr(tensor, "full_tensor")
        or before is None
        or tensor.numel() < LARGE
        or tensor.shape != before.shape
        or tensor.dtype != before.dtype
    ):
        return False
    if tensor.is_meta or tensor.is_quantized or tensor.layout is not torch.strided:
        return False
    now = tensor.detach().cpu()
    return torch.equal(now, before) or (factor != 1.0 and torch.equal(now, before * factor))


def _private_buffers(model: Any) -> Iterator[str]:
    """Buffers like `_scale` that are not in the state_dict: as private as attributes whose names begin so."""
    inner = uncompiled(model)
    for path, module in inner.named_modules() if isinstance(inner, torch.nn.Module) else ():
        for name in module._non_persistent_buffers_set:
            if name.startswith("_"):
                yield f"{path}.{name}" if path else name


def _simple(value: Any, name: str) -> Values:
    """A plain value, or a short list, tuple or dict of such; anything else is left out."""
    if isinstance(value, (list, tuple)) and len(value) <= 64:
        return {f"{name}[{i}]": kept for i, one in enumerate(value) if (kept := plain(one)) is not None}
    if isinstance(value, dict) and len(value) <= 64:
        return {f"{name}[{key!r}]": kept for key, one in value.items() if (kept := plain(one)) is not None}
    kept = plain(value)
    return {} if kept is None else {name: kept}


def gradients_of(model: Any, inputs: Any) -> Values:
    """The gradients that calls have left."""
    tensors = [(name, tensor) for name, tensor in held(model)]
    for number, (args, kwargs) in enumerate(inputs):
        tensors += [(f"{name} of call {number + 1}", tensor) for name, tensor in input_tensors(args, kwargs)]
    return {name: plain(tensor.grad) for name, tensor in tensors if tensor.is_leaf and tensor.grad is not None}


def drawn() -> str:
    """A digest of the state of all random generators."""
    import hashlib

    digest = hashlib.sha256()
    for part in (*random_state(), *other_random_state()):
        digest.update(part)
    return digest.hexdigest()


@contextmanager
def listening(messages: list[str]) -> Iterator[None]:
    """Collects what is printed, logged and warned of, instead of showing it."""
    printed = io.StringIO()
    handler = _Collector()
    root = logging.getLogger()
    with warnings.catch_warnings(record=True) as warned, redirect_stdout(printed):
        warnings.simplefilter("always")
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            messages += [f"print {line}" for line in printed.getvalue().splitlines()]
            messages += [f"log {line}" for line in handler.lines]
            messages += [f"warning {one.message}" for one in warned if not _of_torch(one.filename)]


def _of_torch(file: str) -> bool:
    return file.startswith(str(torch.__path__[0]))


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(
            "torch"
        ):  # Dynamo's own messages differ with each change, and are not the target's
            self.lines.append(f"{record.levelname} {record.getMessage()}")


class TooSlowError(Exception):
    """A case has not ended in time."""


@contextmanager
def at_most(seconds: float) -> Iterator[list[TooSlowError]]:
    """Raises TooSlowError in what runs after this time; never for 0. Gives it too: Dynamo wraps it into an error of its own."""
    raised: list[TooSlowError] = []

    def stop(number: int, frame: FrameType | None) -> None:
        raised.append(TooSlowError(f"it took more than {seconds:.0f} s"))
        raise raised[0]

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield raised
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


Steps = Counter[tuple[int, int]]
"""How often a line ran directly after another one of its function; the first line of a call after line 0."""


@contextmanager
def watching(files: set[str], lines: dict[str, Steps]) -> Iterator[None]:
    """Counts the steps from line to line in these files. Written by hand: coverage.py would be a dependency for twenty lines.

    Lines alone do not tell how often a statement was reached: the head of a loop runs again for each turn.
    Lambdas and comprehensions are left out: they are parts of a statement.
    """

    def each(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        if file not in files or (name.startswith("<") and name != "<module>"):
            return None
        counts = lines.setdefault(file, Counter())
        last = 0

        def one(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
            nonlocal last
            if event == "line":
                counts[last, frame.f_lineno] += 1
                last = frame.f_lineno
            return one

        return frame.f_trace or one  # a generator that goes on knows where it was

    before = sys.gettrace()
    sys.settrace(each)
    try:
        yield
    finally:
        sys.settrace(before)
