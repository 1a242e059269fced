"""torch's attention implementations, which are all called the same way and can each prove that they ran.

    implementation = find_implementation("flex-compiled")
    call = implementation.prepare(problem)       # raises Unsupported
    output = call(problem.q, problem.k, problem.v)

With `seen.Watcher.watch` around the call, `implementation.unproven(seen)` returns what is missing for the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from compile_doctor.probe.parity.cases import Problem
from compile_doctor.probe.parity.seen import Seen

Call = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""q (B, H, S, D), k, v (B, G, T, D) → (B, H, S, D); it contains all other parts of the problem."""


PROOFS = ("dense", "kernel", "graph", "operator", "none")
"""What ran: flex_attention's dense entry; a compiled graph with a fused kernel; a compiled graph; an operator of SDPA; nothing."""
COMPILED = ("kernel", "graph")


class Unsupported(Exception):  # noqa: N818
    """The implementation cannot do this; the message is the reason, in a few words."""


class Implementation(Protocol):
    """One column of the table."""

    @property
    def name(self) -> str: ...

    @property
    def proof(self) -> str:
        """What proves that it ran: one of PROOFS."""
        ...

    def prepare(self, problem: Problem) -> Call:
        """A callable for this problem; runs nothing. Raises Unsupported if the implementation has no way to compute it."""
        ...

    def unproven(self, seen: Seen) -> str | None:
        """Why `seen` does not prove that this implementation ran; None if it does."""
        ...


# -- flex_attention ---------------------------------------------------------------------------------------------------


def flex(problem: Problem, attention: Callable[..., Any]) -> Call:
    """A call of `attention`, which has the signature of flex_attention; the BlockMask is made here, once."""
    from torch.nn.attention.flex_attention import create_block_mask

    case, mask = problem.case, None
    if problem.mask_mod is not None:
        batches = problem.q.shape[0] if problem.allowed is not None and _per_batch(problem.allowed) else None
        mask = create_block_mask(problem.mask_mod, batches, None, case.queries, case.keys, device=problem.device)
    keywords = {"block_mask": mask, "score_mod": problem.score_mod, "scale": case.scale, "enable_gqa": problem.gqa}
    return lambda q, k, v: attention(q, k, v, **keywords)


def _per_batch(allowed: torch.Tensor) -> bool:
    return bool((allowed != allowed[:1]).any())


@dataclass(frozen=True)
class EagerFlex:
    """flex_attention without torch.compile: dense, and the definition of what the compiled one should do."""

    name: str = "flex-eager"
    proof: str = "dense"

    def prepare(self, problem: Problem) -> Call:
        from torch.nn.attention.flex_attention import flex_attention

        return flex(problem, flex_attention)

    def unproven(self, seen: Seen) -> str | None:
        return None if seen.dense else "flex_attention's eager entry was not called"


@dataclass(frozen=True)
class CompiledFlex:
    """torch.compile(flex_attention): dynamic=True for decoding, dynamic=False for full sequences."""

    name: str = "flex-compiled"
    proof: str = "kernel"

    def prepare(self, problem: Problem) -> Call:
        return flex(problem, _compiled_flex(problem.case.decodes))

    def unproven(self, seen: Seen) -> str | None:
        if seen.dense:
            return "fell back to the dense path"
        if not seen.graphs:
            return "no compiled graph ran"
        return "no fused kernel in the generated code" if seen.kernels == [] else None


_COMPILED: dict[Any, Callable[..., Any]] = {}


def _compiled_flex(dynamic: bool) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    if ("flex", dynamic) not in _COMPILED:
        # Its own function, so that it does not share a cache of compilations with a target's torch.compile.
        def attention(q: Any, k: Any, v: Any, **keywords: Any) -> Any:
            return flex_attention(q, k, v, **keywords)

        _COMPILED["flex", dynamic] = torch.compile(attention, dynamic=dynamic, fullgraph=True)
    return _COMPILED["flex", dynamic]


# -- scaled_dot_product_attention -------------------------------------------------------------------------------------


def sdpa_options(problem: Problem) -> dict[str, Any]:
    """Keywords for scaled_dot_product_attention: is_causal if it means the same, else the mask as a tensor.

    A score_mod that only adds becomes a float mask (B or 1, H, S, T) in the query's dtype. Raises Unsupported for others.
    """
    case = problem.case
    options: dict[str, Any] = {"scale": case.scale, "enable_gqa": problem.gqa}
    mask = problem.allowed
    if mask is not None and not _per_batch(mask):
        mask = mask[:1]
    if case.score is not None:
        bias = case.score.bias(problem.q.shape[1], case.queries, case.keys)
        if bias is None:
            raise Unsupported("SDPA has no score_mod, and a mask cannot express a soft cap: it only adds to the scores")
        added = bias[None] if mask is None else torch.where(mask, bias, torch.tensor(float("-inf"), dtype=bias.dtype))
        return {**options, "attn_mask": added.to(problem.q.dtype).to(problem.device)}
    if case.is_causal:
        return {**options, "is_causal": True}
    return {**options, "attn_mask": None if mask is None else mask.to(problem.device)}


@dataclass(frozen=True)
class Sdpa:
    """scaled_dot_product_attention with one backend allowed, and no other."""

    name: str
    backend: SDPBackend
    operator: str | None
    """How the name of the fused operator begins; None for math, which has none."""
    proof: str = "operator"

    def prepare(self, problem: Problem) -> Call:
        options = sdpa_options(problem)

        def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel([self.backend]):
                return scaled_dot_product_attention(q, k, v, **options)

        return call

    def unproven(self, seen: Seen) -> str | None:
        if self.operator is None:
            return f"{seen.operators[0]} ran instead" if seen.operators else None
        if any(name.startswith(self.operator) for name in seen.operators):
            return None
        return f"{self.operator} was not dispatched"


@dataclass(frozen=True)
class CompiledSdpa:
    """scaled_dot_product_attention under torch.compile, with the backend that torch chooses."""

    name: str = "sdpa-compiled"
    proof: str = "graph"

    def prepare(self, problem: Problem) -> Call:
        options, compiled = sdpa_options(problem), _compiled_sdpa(problem.case.decodes)
        return lambda q, k, v: compiled(q, k, v, **options)

    def unproven(self, seen: Seen) -> str | None:
        return None if seen.graphs else "no compiled graph ran"


def _compiled_sdpa(dynamic: bool) -> Callable[..., Any]:
    if ("sdpa", dynamic) not in _COMPILED:

        def attention(q: Any, k: Any, v: Any, **options: Any) -> Any:
            return scaled_dot_product_attention(q, k, v, **options)

        _COMPILED["sdpa", dynamic] = torch.compile(attention, dynamic=dynamic, fullgraph=True)
    return _COMPILED["sdpa", dynamic]


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    EagerFlex(),
    CompiledFlex(),
    Sdpa("sdpa-math", SDPBackend.MATH, None),
    Sdpa("sdpa-flash", SDPBackend.FLASH_ATTENTION, "_scaled_dot_product_flash_attention"),
    Sdpa("sdpa-efficient", SDPBackend.EFFICIENT_ATTENTION, "_scaled_dot_product_efficient_attention"),
    Sdpa("sdpa-cudnn", SDPBackend.CUDNN_ATTENTION, "_scaled_dot_product_cudnn_attention"),
    CompiledSdpa(),
)


def find_implementation(name: str) -> Implementation:
    """The implementation by its name. Raises KeyError for an unknown name."""
    return {implementation.name: implementation for implementation in IMPLEMENTATIONS}[name]


# -- the user's own ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """An attention function of the user's: `attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None)`."""

    name: str
    function: Callable[..., Any]
    refused: str = "FAIL"
    """The status of a cell with an exception: FAIL for a user's function, UNSUPPORTED for torch's own implementations."""
    proof: str = "none"

    def prepare(self, problem: Problem) -> Call:
        keywords = {"mask_mod": problem.mask_mod, "score_mod": problem.score_mod, "scale": problem.case.scale}

        def call(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            try:
                output = self.function(q, k, v, **keywords)
            except NotImplementedError as error:
                raise Unsupported(str(error) or "NotImplementedError") from error
            if not isinstance(output, torch.Tensor):
                raise TypeError(f"it returned a {type(output).__name__}, not a tensor")
            return output

        return call

    def unproven(self, seen: Seen) -> str | None:
        return None
