"""What would mend a decode that is wrong: one kind of call, at one line, is changed while it runs, and the result looked at.

Positions that begin at 0 in every chunk are the classic: `torch.arange(T)`, or the first T rows of a table, where the chunk
begins at position p. The other is a p that is off by one. Whether that is it can be tried out: the same run, with just these
calls begun at p, or moved by one. Where the output then equals the full run's, that line is the cause. Nothing is concluded
from how a result looks.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from compile_doctor.probe.observe.failures import ours

Site = tuple[str, str, int, str]
"""Kind, file, line, function. Kinds: `arange`, `slice` (read), `write`, `causal` (SDPA's is_causal), `triangle` (tril, triu)."""


@dataclass(frozen=True)
class Change:
    """A call that can be made otherwise."""

    kind: str
    length: int
    """Positions in the chunk, as this call has it."""
    start: int
    """Where it begins as it is: 0, or what stands there already. Of a mask, the diagonal."""
    begun: Callable[[int], Any] | None
    """Makes the call with so many positions before the chunk; None where it does not begin at 0."""
    moved: Callable[[int], Any] | None
    """Makes the call begun so many positions further on than it does."""


class Shifts(TorchFunctionMode):
    """Notes the calls that could be changed, and changes those at `sites`."""

    def __init__(
        self, calls: Callable[[], int], sites: frozenset[Site] = frozenset(), by: int = 0, first: bool = False
    ) -> None:
        """`calls` says how many calls of the model are done.

        `by`: 0 begins the calls at the chunk's first position, another number moves them by so many, from the second
        chunk on or from the `first`.
        """
        super().__init__()
        self.calls = calls
        self.sites = sites
        self.by = by
        self.first = first
        self._seen: dict[Site, dict[int, Change]] = defaultdict(dict)
        """The last of each call of the model."""

    def from_zero(self) -> list[Site]:
        """The sites that have a call to begin elsewhere, after the first chunk."""
        return [site for site, made in self._seen.items() if any(call and one.begun for call, one in made.items())]

    def that_move(self) -> list[Site]:
        """The sites that begin elsewhere in a later chunk than in the first; every triangle, which a first chunk has not,
        and every arange: a start may be added to it."""
        return [
            site
            for site, made in self._seen.items()
            if any(call and one.moved for call, one in made.items())
            and (site[0] in ("arange", "triangle") or len({one.start for one in made.values()}) > 1)
        ]

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        change = _change(function, args, kwargs)
        site = _site(change.kind) if change else None
        if change is None or site is None:
            return function(*args, **kwargs)
        done = self.calls()
        self._seen[site][done] = change
        if site in self.sites:
            if self.by and change.moved and (done or self.first):
                return change.moved(self.by)
            if not self.by and change.begun:
                return change.begun(sum(one.length for call, one in self._seen[site].items() if call < done))
        return function(*args, **kwargs)


def _site(kind: str) -> Site | None:
    """The innermost line that is neither torch's nor the doctor's."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not ours(file) and "/torch/" not in file.replace("\\", "/"):
            return kind, file, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _change(function: Any, args: Any, kwargs: Any) -> Change | None:
    """What could be shifted in a call; None for most."""
    name = getattr(function, "__name__", "")
    if name == "arange":
        return _arange(function, args, kwargs)
    if name in ("__getitem__", "__setitem__"):
        return _slice(function, "slice" if name == "__getitem__" else "write", args)
    if name == "scaled_dot_product_attention" and kwargs.get("is_causal") and len(args) == 3:
        rows, columns = args[0].shape[-2], args[1].shape[-2]

        def aligned(_: int) -> Any:
            lower = torch.ones(rows, columns, dtype=torch.bool, device=args[0].device).tril(columns - rows)
            return function(*args, **{**kwargs, "is_causal": False, "attn_mask": lower})

        return Change("causal", rows, 0, aligned, None) if rows < columns else None
    if name in ("tril", "triu", "tril_", "triu_") and args and args[0].dim() >= 2:
        rows, columns = args[0].shape[-2:]
        diagonal = args[1] if len(args) > 1 else kwargs.get("diagonal", 0)

        def moved(by: int) -> Any:
            return function(args[0], diagonal + by)

        return Change("triangle", rows, diagonal, lambda _: moved(columns - rows), moved) if rows < columns else None
    return None


def _arange(function: Any, args: Any, kwargs: Any) -> Change | None:
    """`torch.arange(T)`, or from one position to another."""
    given = (0, *args) if len(args) == 1 else args
    start, end = given[:2] if len(given) > 1 else (kwargs.get("start", 0), kwargs.get("end"))
    if not (isinstance(start, int) and isinstance(end, int)) or len(given) > 2 or kwargs.get("step", 1) != 1:
        return None

    def moved(by: int) -> Any:
        return function(*args, **kwargs) + by

    return Change("arange", end - start, start, None if start else moved, moved)


def _slice(function: Any, kind: str, args: Any) -> Change | None:
    """So many of a dimension that has more, in the index: `table[:T]`, `cache[:, :, start : start + T] = k`."""
    tensor, index = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    if not all(isinstance(one, (slice, int)) or one is Ellipsis for one in index):
        return None  # a new dimension, or an index that is a tensor: which dimension is which is not plain
    for at, one in enumerate(index):
        if not isinstance(one, slice) or not isinstance(one.stop, int) or one.step not in (None, 1):
            continue
        start = one.start or 0
        if not isinstance(start, int) or start < 0:
            continue
        dim = at - len(index) if Ellipsis in index[:at] else at
        if start < one.stop <= tensor.shape[dim] and one.stop - start < tensor.shape[dim]:
            moved = partial(_moved, function, args, index, at)
            return Change(kind, one.stop - start, start, None if start else moved, moved)
    return None


def _moved(function: Any, args: Any, index: tuple[Any, ...], at: int, by: int) -> Any:
    """The slice at `at` of the index, moved."""
    start, stop = (index[at].start or 0) + by, index[at].stop + by
    if start < 0:
        raise IndexError("a slice cannot begin before the first position")
    return function(args[0], (*index[:at], slice(start, stop), *index[at + 1 :]), *args[2:])
