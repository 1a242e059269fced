"""What would mend a decode that is wrong: one kind of call, at one line, is changed while it runs, and the result looked at.

Positions that begin at 0 in every chunk are the classic: `torch.arange(T)`, or the first T rows of a table, where the chunk
begins at position p. Whether that is it can be tried out: the same run, with just these calls shifted by p. Where the
output then equals the full run's, that line is the cause. Nothing is concluded from how a result looks.
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

from compile_doctor.probe.failures import ours

Site = tuple[str, str, int, str]
"""Kind, file, line, function. Kinds: `arange`, `slice` (read), `write`, `causal` (SDPA's is_causal), `triangle` (tril, triu)."""


@dataclass(frozen=True)
class Change:
    """A call that can be made otherwise."""

    kind: str
    length: int
    """Positions in the chunk, as this call has it."""
    shifted: Callable[[int], Any]
    """Makes the call with so many positions before the chunk."""


class Shifts(TorchFunctionMode):
    """Notes the calls that could be shifted (`seen`), and shifts those at `sites`."""

    def __init__(self, calls: Callable[[], int], sites: frozenset[Site] = frozenset()) -> None:
        """`calls` says how many calls of the model are done."""
        super().__init__()
        self.calls = calls
        self.sites = sites
        self.seen: dict[Site, int] = defaultdict(int)
        self._lengths: dict[Site, dict[int, int]] = defaultdict(dict)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        change = _change(function, args, kwargs)
        site = _site(change.kind) if change else None
        if change is None or site is None:
            return function(*args, **kwargs)
        self.seen[site] += 1
        done = self.calls()
        self._lengths[site][done] = change.length
        if site not in self.sites:
            return function(*args, **kwargs)
        return change.shifted(sum(length for call, length in self._lengths[site].items() if call < done))


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
        lower = torch.ones(rows, columns, dtype=torch.bool, device=args[0].device).tril(columns - rows)
        plain = {**kwargs, "is_causal": False, "attn_mask": lower}
        return Change("causal", rows, lambda _: function(*args, **plain)) if rows < columns else None
    if name in ("tril", "triu", "tril_", "triu_") and args and args[0].dim() >= 2:
        rows, columns = args[0].shape[-2:]
        diagonal = args[1] if len(args) > 1 else kwargs.get("diagonal", 0)
        return (
            Change("triangle", rows, lambda _: function(args[0], diagonal + columns - rows)) if rows < columns else None
        )
    return None


def _arange(function: Any, args: Any, kwargs: Any) -> Change | None:
    """`torch.arange(T)`, or from 0 to T."""
    given = (0, *args) if len(args) == 1 else args
    start, end = given[:2] if len(given) > 1 else (kwargs.get("start", 0), kwargs.get("end"))
    if start != 0 or not isinstance(end, int) or len(given) > 2 or kwargs.get("step", 1) != 1:
        return None
    return Change("arange", end, lambda before: function(*args, **kwargs) + before)


def _slice(function: Any, kind: str, args: Any) -> Change | None:
    """The first T of a dimension that has more, in the index: `table[:T]`, `cache[:, :, :T] = k`."""
    tensor, index = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    if not all(isinstance(one, (slice, int)) or one is Ellipsis for one in index):
        return None  # a new dimension, or an index that is a tensor: which dimension is which is not plain
    for at, one in enumerate(index):
        if not isinstance(one, slice) or one.start not in (None, 0) or not isinstance(one.stop, int):
            continue
        dim = at - len(index) if Ellipsis in index[:at] else at
        if one.step in (None, 1) and 0 < one.stop < tensor.shape[dim]:
            move = partial(_moved, function, args, index, at)
            return Change(kind, one.stop, move)
    return None


def _moved(function: Any, args: Any, index: tuple[Any, ...], at: int, start: int) -> Any:
    """The slice at `at` of the index, begun at `start`."""
    return function(args[0], (*index[:at], slice(start, start + index[at].stop), *index[at + 1 :]), *args[2:])
