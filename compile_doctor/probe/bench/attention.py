"""Benchmarks of attention itself: parity's implementations, and a function of the user's, on a few cases at any size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.attention import sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from compile_doctor.capture import schema
from compile_doctor.model.sizes import dense_need
from compile_doctor.probe import compat
from compile_doctor.probe.bench.dense import DenseGuard
from compile_doctor.probe.bench.machine import ran_on
from compile_doctor.probe.bench.reference import Sample, allowed_pairs, difference
from compile_doctor.probe.bench.timing import Contender, Judge, Judged
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.parity import masks
from compile_doctor.probe.parity.cases import Case, Problem
from compile_doctor.probe.parity.implementations import (
    IMPLEMENTATIONS,
    Implementation,
    Sdpa,
    Target,
    Unsupported,
    sdpa_options,
)
from compile_doctor.probe.parity.judge import why
from compile_doctor.probe.parity.seen import FusedOperators, Seen

WINDOW = 256
"""Positions in the sliding window."""
SHARED = 4
"""Query heads per key and value head in the cases with grouped queries, if `--kv-heads` is not given."""
BACKWARD = "+backward"
TOLERATED = 0.1
"""Allowed difference of two implementations' gradients, as a share of the largest: finds a wrong one. `parity` is exact."""


@dataclass(frozen=True)
class _Shape:
    case: Callable[[int], Case]
    grouped: bool = False


def _causal(tokens: int) -> Case:
    return Case("causal", "a full causal sequence", tokens, tokens, mask=masks.Causal(), is_causal=True)


def _window(tokens: int) -> Case:
    return Case("sliding-window", f"causal, {WINDOW} positions back", tokens, tokens, mask=masks.Window(size=WINDOW))


def _decode(tokens: int) -> Case:
    return Case("decode", "one query after a full cache", 1, tokens, decodes=True)


_SHAPES = {
    "causal": _Shape(_causal),
    "causal-gqa": _Shape(_causal, grouped=True),
    "sliding-window": _Shape(_window),
    "decode": _Shape(_decode),
    "decode-gqa": _Shape(_decode, grouped=True),
}


class AttentionSubject:
    """The suite's implementations, and `function` if the target is an attention function."""

    kind = "attention"

    def __init__(
        self, settings: dict[str, Any], log: EventLog, dense: DenseGuard, function: Callable[..., Any] | None = None
    ) -> None:
        self.settings = settings
        self.log = log
        self.dense = dense
        self.device = torch.device(settings["device"] or "cpu").type
        self.convention = "attention function" if function else ""
        own: list[Implementation] = [Target("target", function)] if function else []
        if function and not compat.is_compiled(function):
            own.append(Target("target-compiled", torch.compile(function)))
        self.implementations = {one.name: one for one in (*IMPLEMENTATIONS, *own)}

    def groups(self) -> list[dict[str, Any]]:
        """The cases; with grouped queries only if `--kv-heads` is not given and the heads can be grouped."""
        grouped = self.settings["kv_heads"] is None and self.settings["heads"] % SHARED == 0
        cases = [name for name, shape in _SHAPES.items() if grouped or not shape.grouped]
        if self.settings["grad"]:
            cases += [name + BACKWARD for name in cases if "decode" not in name]
        return [{"case": case, "implementations": list(self.implementations)} for case in cases]

    def contest(self, case: str, tokens: int | None) -> tuple[list[Contender], Judge]:
        assert tokens is not None
        shape = _SHAPES[case.removesuffix(BACKWARD)]
        problem = self._problem(shape, tokens)
        self.log.write(schema.Environment(ran_on(self.device, problem.q.dtype)))
        contest = _Contest(problem, case.endswith(BACKWARD), self.dense, self.implementations)
        return [contest.contender(one) for one in self.implementations.values()], contest.judge

    def _problem(self, shape: _Shape, tokens: int) -> Problem:
        """Normally distributed q (B, H, S, D), k and v (B, G, T, D), the same for all implementations and devices."""
        settings = self.settings
        case = replace(shape.case(tokens), head_dim=settings["head_dim"])
        heads = settings["heads"]
        kv = settings["kv_heads"] or (heads // SHARED if shape.grouped else heads)
        draw = torch.Generator().manual_seed(0)
        q, k, v, gradient = (
            torch.randn(settings["batch"], count, length, case.head_dim, generator=draw)
            .to(getattr(torch, settings["dtype"]))
            .to(settings["device"] or "cpu")
            for count, length in ((heads, case.queries), (kv, tokens), (kv, tokens), (heads, case.queries))
        )
        return Problem(case, "gqa" if heads != kv else "mha", q, k, v, gradient, None)


class _Contest:
    """One case at one size: the inputs of each implementation, and the output that is expected."""

    def __init__(
        self, problem: Problem, backward: bool, dense: DenseGuard, implementations: dict[str, Implementation]
    ) -> None:
        self.problem = problem
        self.backward = backward
        self.dense = dense
        self.implementations = implementations
        self.sample = Sample(problem)
        self._right: Any = None
        """The whole output of the first implementation whose sampled rows were right."""
        self._calls: dict[str, Callable[[], Any]] = {}
        self._before = (0, 0)

    def contender(self, one: Implementation) -> Contender:
        around: Callable[[], AbstractContextManager[Any]] = nullcontext
        if isinstance(one, Sdpa):
            around = lambda: sdpa_kernel([one.backend])  # noqa: E731
        return Contender(one.name, lambda: self._make(one), self._need(one), around)

    def _need(self, one: Implementation) -> int:
        """Bytes that it must store: all scores in dense ones, the full mask in create_block_mask and SDPA."""
        q, case = self.problem.q, self.problem.case
        pairs = case.queries * case.keys
        masked = case.mask is not None and not (case.is_causal and one.name.startswith("sdpa"))
        dense = one.name in ("flex-eager", "sdpa-math")
        scores = q.shape[0] * q.shape[1] * pairs if dense else 0
        return dense_need(scores, pairs if masked and not isinstance(one, Target) else 0)

    def _make(self, one: Implementation) -> Callable[[], Any]:
        problem = self.problem
        q, k, v = problem.q, problem.k, problem.v
        if self.backward:
            q, k, v = (tensor.detach().clone().requires_grad_() for tensor in (q, k, v))
        if isinstance(one, Sdpa):  # its backend is chosen once, around all calls
            options = sdpa_options(self._with_mask())
            forward = lambda: scaled_dot_product_attention(q, k, v, **options)  # noqa: E731
            _try(forward)
        else:
            prepared = one.prepare(self._with_mask() if one.name.startswith("sdpa") else problem)
            forward = lambda: prepared(q, k, v)  # noqa: E731
        call = (lambda: _with_gradients(forward(), (q, k, v), problem.gradient)) if self.backward else forward
        self._calls[one.name] = call
        self._before = (compat.graphs_compiled(), self.dense.calls)
        return call

    def _with_mask(self) -> Problem:
        """With the mask as a tensor, which SDPA needs unless `is_causal` means the same."""
        problem = self.problem
        return problem if problem.case.is_causal else replace(problem, allowed=allowed_pairs(problem))

    def judge(self, name: str, output: Any) -> Judged:
        """Checks that it ran itself, then sampled rows against float64, then everything against the first correct one."""
        unproven = self._unproven(name)
        if unproven:
            return Judged(reason=unproven, status="failed")
        first = output[0] if self.backward else output
        if first.shape != self.problem.q.shape:
            return Judged(reason=f"its output has shape {list(first.shape)}, not {list(self.problem.q.shape)}")
        far, allowed = self.sample.compare(first)
        if not far <= allowed:
            return Judged(far, allowed, f"its output differs from the float64 reference by {far:.2g}")
        tensors = output if self.backward else (output,)
        if self._right is None:
            self._right = [tensor.detach().clone() for tensor in tensors]
        for what, mine, other in zip(
            ("output", "gradient of q", "gradient of k", "gradient of v"), tensors, self._right
        ):
            apart = difference(mine, other)
            # Two correct outputs may lie on either side of the reference. Gradients have no reference here.
            bound = 2 * allowed if what == "output" else TOLERATED * float(other.abs().max())
            if not apart <= bound:
                return Judged(apart, bound, f"its {what} differs from the first correct one by {apart:.2g}")
        return Judged(far, allowed, positions=self.problem.case.queries)

    def _unproven(self, name: str) -> str | None:
        graphs, dense = self._before
        seen = Seen(compat.graphs_compiled() - graphs, self.dense.calls - dense)
        one = self.implementations[name]
        if isinstance(one, Sdpa):
            with FusedOperators(seen.operators):
                self._calls[name]()
        return one.unproven(seen)


def _try(forward: Callable[[], Any]) -> None:
    """Raises Unsupported, with torch's own reasons, if the one allowed backend does not take the inputs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            forward()
        except RuntimeError as error:
            if not str(error).startswith(("No available kernel", "No viable backend")):
                raise
            raise Unsupported(why(error, [str(one.message) for one in caught])) from error


def _with_gradients(output: torch.Tensor, inputs: tuple[torch.Tensor, ...], gradient: torch.Tensor) -> tuple[Any, ...]:
    return (output, *torch.autograd.grad(output, inputs, gradient))
