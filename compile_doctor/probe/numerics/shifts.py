"""What would fix a wrong decode: changes one kind of call at one line while it runs, and compares the result.

The classic mistake is positions that begin at 0 in every chunk: `torch.arange(T)`, or the first T rows of a table, although
the chunk begins at position p. The other is a p that is off by one. A trial proves it: the same run, in which only these
calls begin at p or are moved by one. If the output then equals that of the full run, that line is the cause. The result
alone is never a reason.
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
    """A call that can be shifted."""

    kind: str
    length: int
    """The number of positions in the chunk, according to this call."""
    start: int
    """Where the call begins: 0, or the start that it names. For a mask, the diagonal."""
    begun: Callable[[int], Any] | None
    """Makes the call for a chunk that begins at the given position; None if the call does not begin at 0."""
    moved: Callable[[int], Any] | None
    """Makes the call, moved by the given number of positions."""


class Shifts(TorchFunctionMode):
    """Records the calls that could be shifted, and shifts those at `sites`."""

    def __init__(
        self, calls: Callable[[], int], sites: frozenset[Site] = frozenset(), by: int = 0, first: bool = False
    ) -> None:
        """`calls` returns how many calls of the model are done.

        `by`: 0 begins the calls at the chunk's first position; another number moves them by that many, from the second
        chunk on or from the `first`.
        """
        super().__init__()
        self.calls = calls
        self.sites = sites
        self.by = by
        self.first = first
        self._seen: dict[Site, dict[int, Change]] = defaultdict(dict)
        """By site and call of the model, the last change."""

    def from_zero(self) -> list[Site]:
        """The sites that have a call after the first chunk that begins at 0 and can begin elsewhere."""
        return [site for site, made in self._seen.items() if any(call and one.begun for call, one in made.items())]

    def that_move(self) -> list[Site]:
        """The sites whose start differs between chunks; also every triangle, which the first chunk does not have, and every
        arange, to which a start may be added."""
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
    """The innermost line outside torch and the doctor; None without one."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not ours(file) and "/torch/" not in file.replace("\\", "/"):
            return kind, file, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _change(function: Any, args: Any, kwargs: Any) -> Change | None:
    """How a call can be shifted; None for most calls."""
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
    """For `torch.arange(T)`, or an arange from one position to another."""
    given = (0, *args) if len(args) == 1 else args
    start, end = given[:2] if len(given) > 1 else (kwargs.get("start", 0), kwargs.get("end"))
    if not (isinstance(start, int) and isinstance(end, int)) or len(given) > 2 or kwargs.get("step", 1) != 1:
        return None

    def moved(by: int) -> Any:
        return function(*args, **kwargs) + by

    return Change("arange", end - start, start, None if start else moved, moved)


def _slice(function: Any, kind: str, args: Any) -> Change | None:
    """For an index that takes a part of a dimension: `table[:T]`, `cache[:, :, start : start + T] = k`."""
    tensor, index = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    if not all(isinstance(one, (slice, int)) or one is Ellipsis for one in index):
        return None  # a new dimension, or an index that is a tensor: the dimensions are not clear
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
    """The call with the slice at `at` of the index moved by `by`."""
    start, stop = (index[at].start or 0) + by, index[at].stop + by
    if start < 0:
        raise IndexError("a slice cannot begin before the first position")
    return function(args[0], (*index[:at], slice(start, stop), *index[at + 1 :]), *args[2:])
