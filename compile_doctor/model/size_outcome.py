"""The outcome of one size of `--tokens N`: what is needed to decide about the next one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DensePath:
    """What the dense path of one attention call needs at a size, and how that grows."""

    tokens: int
    need: int
    """Bytes at `tokens`."""
    squared: bool
    """Whether it grows with the square of the tokens; for a decoding query it grows with the tokens."""

    def at(self, size: int) -> int:
        """Bytes at another size."""
        ratio = size / self.tokens
        return int(self.need * (ratio**2 if self.squared else ratio))


@dataclass(frozen=True)
class SizeOutcome:
    """A size that was run."""

    tokens: int
    finished: bool
    """The compiled run finished."""
    fails_eagerly: bool = False
    """The eager run failed. Then, and if the run did not finish, only `has_attention` of the fields below is known."""
    has_attention: bool = False
    """An attention call was seen, compiled or run."""
    is_dense: bool = False
    """Attention ran dense, or partly so."""
    is_fused: bool = True
    """Every call is proven to be fused; also True if there are no calls."""
    dense_paths: tuple[DensePath, ...] = ()
    memory_left: int | None = None
    """Bytes that were free after it."""

    def dense_need(self, size: int) -> int | None:
        """Bytes that the dense path would need at another size; None if that is unknown."""
        return max((path.at(size) for path in self.dense_paths), default=0) or None
