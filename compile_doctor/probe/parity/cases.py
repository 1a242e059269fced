"""The suite's cases as data, and the tensors of one: what `parity` compares and `bench` measures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from compile_doctor.probe.parity import masks, scores

BATCH = 2
HEADS = {"mha": (4, 4), "gqa": (4, 2), "mqa": (4, 1)}
"""Query heads and key-value heads. 4 and 2, not 2 and 1, because only then do blocked and interleaved heads differ."""
DTYPES = ("float32", "bfloat16", "float16")
UNSEEN = 30.0
"""The value of keys that no query may attend to (padding, old rows of a cache): a leak changes the output clearly."""


@dataclass(frozen=True)
class Known:
    """A defect of torch that a case shows: the recipe, and the implementations and directions that it makes wrong."""

    recipe: str
    implementations: tuple[str, ...]
    directions: tuple[str, ...] = ("forward", "backward")


@dataclass(frozen=True)
class Case:
    """One row of the table. Lengths are in tokens; 128 is the block size of flex_attention."""

    name: str
    about: str
    queries: int
    keys: int
    head_dim: int = 64
    mask: masks.Mask | None = None
    """None if every query attends to every key."""
    score: scores.Score | None = None
    scale: float | None = None
    """None for 1/sqrt(head_dim)."""
    is_causal: bool = False
    """Whether SDPA's is_causal=True means the same: a square without an offset (its mask is aligned top left)."""
    decodes: bool = False
    """Whether it is compiled with dynamic=True, as decoding should be, because the cache grows."""
    known: Known | None = None
    """A defect of some versions of torch that makes this case fail."""


CASES = (
    Case("causal", "a full causal sequence", 256, 256, mask=masks.Causal(), is_causal=True),
    Case(
        "causal-odd", "the same, not a multiple of 128, heads of 80", 201, 201, 80, mask=masks.Causal(), is_causal=True
    ),
    Case(
        "narrow-heads",
        "40 tokens, heads of 16",
        *(40, 40, 16),
        mask=masks.Causal(),
        is_causal=True,
        known=Known("cpu-flex-narrow-heads", ("flex-compiled",)),
    ),
    Case("causal-decode", "one query after a full cache", 1, 200, mask=masks.Causal(199), decodes=True),
    Case(
        "static-cache-decode",
        "one query in a longer cache, with old rows after it",
        *(1, 256),
        mask=masks.Causal(170),
        decodes=True,
    ),
    Case("chunk-decode", "16 queries after 176 in the cache", 16, 192, mask=masks.Causal(176), decodes=True),
    Case(
        "chunk-decode-odd",
        "7 queries after 194, heads of 80, old rows after them",
        *(7, 233, 80),
        mask=masks.Causal(194),
        decodes=True,
    ),
    Case("sliding-window", "causal, 33 positions back", 256, 256, mask=masks.Window(size=33)),
    Case("local-window", "20 positions both ways", 201, 201, mask=masks.Local(reach=20)),
    Case("window-decode", "7 queries, a window of 33 over the cache", 7, 201, mask=masks.Window(194, 33), decodes=True),
    Case(
        "documents",
        "documents packed into one sequence, four and three",
        *(256, 256),
        mask=masks.Documents(0, ((100, 1, 90, 65), (37, 130, 89))),
    ),
    Case("padding", "a ragged batch, padded at the end", 201, 201, mask=masks.Padding(0, (150, 37))),
    Case(
        "left-padding",
        "a ragged batch for generation, padded in front: rows that attend to nothing",
        *(192, 192),
        mask=masks.LeftPadding(0, (0, 55)),
        known=Known("cudnn-sdpa-nan", ("sdpa-cudnn", "sdpa-compiled"), ("backward",)),
    ),
    Case("bidirectional", "an encoder", 256, 256),
    Case("bidirectional-odd", "a vision encoder: 197 tokens, heads of 72", 197, 197, 72),
    Case("prefix-lm", "a prefix of 45 that all queries see", 201, 201, mask=masks.Prefix(0, 45)),
    Case("soft-cap", "causal, scores capped at 2", 256, 256, mask=masks.Causal(), score=scores.SoftCap(2.0)),
    Case("alibi", "causal, a penalty on distance per head", 201, 201, mask=masks.Causal(), score=scores.Alibi()),
    Case("custom-scale", "causal, scale 0.3", 256, 256, mask=masks.Causal(), scale=0.3, is_causal=True),
    Case(
        "image-scopes",
        "causal text; an image's tokens see each other",
        *(256, 256),
        mask=masks.Images(0, (((10, 74), (120, 185)), ((40, 96),))),
    ),
)


@dataclass(frozen=True)
class Problem:
    """A case with its tensors: q (B, H, S, D); k, v (B, G, T, D); `allowed` bool (B or 1, 1, S, T), on the CPU, or None."""

    case: Case
    heads: str
    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    gradient: torch.Tensor
    """The gradient of the output, of its shape; zero for queries that attend to nothing, as a loss does not count padding."""
    allowed: torch.Tensor | None

    @property
    def gqa(self) -> bool:
        return self.q.shape[1] != self.k.shape[1]

    @property
    def device(self) -> str:
        return str(self.q.device)

    @cached_property
    def mask_mod(self) -> masks.MaskMod | None:
        return self.case.mask.mod(self.device) if self.case.mask else None

    @cached_property
    def score_mod(self) -> scores.ScoreMod | None:
        return self.case.score.mod(self.device, self.q.shape[1]) if self.case.score else None

    @cached_property
    def empty(self) -> torch.Tensor:
        """bool (B or 1, 1, S): queries that attend to nothing. The reference has zeros for them, like flex_attention."""
        if self.allowed is None:
            return torch.zeros(1, 1, self.case.queries, dtype=torch.bool)
        return ~self.allowed.any(-1)


def make_problem(case: Case, heads: str, dtype: str, device: str = "cpu", seed: int = 0) -> Problem:
    """A case with its tensors: the same numbers on every device, rounded to the dtype; q, k and the gradient are normally
    distributed, v uniformly in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    wanted, kv = HEADS[heads]
    q, k, v, gradient = (
        torch.randn(BATCH, count, length, case.head_dim, generator=generator)
        for count, length in ((wanted, case.queries), (kv, case.keys), (kv, case.keys), (wanted, case.queries))
    )
    v = torch.erf(v / 2**0.5)
    allowed = case.mask.allowed(BATCH, case.queries, case.keys) if case.mask else None
    if allowed is not None:
        unseen = ~allowed.any(2)[..., None]  # (B, 1, T, 1)
        v = torch.where(unseen, torch.full_like(v, UNSEEN), v)
        gradient = torch.where(allowed.any(-1)[..., None], gradient, torch.zeros_like(gradient))
    q, k, v, gradient = (one.to(getattr(torch, dtype)).to(device) for one in (q, k, v, gradient))
    return Problem(case, heads, q, k, v, gradient, allowed)


def case_names() -> tuple[str, ...]:
    return tuple(case.name for case in CASES)


def find_case(name: str) -> Case:
    """The case by its name. Raises KeyError for an unknown name."""
    return {case.name: case for case in CASES}[name]
