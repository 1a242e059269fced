"""What one size of `--tokens N` came to: all that is needed to decide about the next one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DensePath:
    """What the dense path of one attention call needs at a size, and how that grows."""

    tokens: int
    need: int
    """Bytes at `tokens`."""
    squared: bool
    """Scores grow with the square of the tokens; those of a decoding query with the tokens."""

    def at(self, size: int) -> int:
        """Bytes at another size."""
        ratio = size / self.tokens
        return int(self.need * (ratio**2 if self.squared else ratio))


@dataclass(frozen=True)
class SizeOutcome:
    """A size that was run."""

    tokens: int
    finished: bool
    """The compiled run came to its end."""
    fails_eagerly: bool = False
    """The eager run failed. Of such a size, and of one that did not finish, nothing below is known but `has_attention`."""
    has_attention: bool = False
    """Any attention call was seen, compiled or run."""
    is_dense: bool = False
    """Attention ran dense, or partly so."""
    is_fused: bool = True
    """Every call is proven to be fused; so is none at all."""
    dense_paths: tuple[DensePath, ...] = ()
    memory_left: int | None = None
    """Bytes that were free after it."""

    def dense_need(self, size: int) -> int | None:
        """Bytes that the dense path would need at another size; None if nothing is known of it."""
        return max((path.at(size) for path in self.dense_paths), default=0) or None
