"""What kind of recompilation a group is, as far as a check of its own reports it: new functions, growing shapes, …"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.guards import carrier
from compile_doctor.source import locations

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext

_CALLABLE = re.compile(r"function|method|partial|builtin|lambda")
_CALLED = re.compile(r"\b(\w+)\(|_mod\s*=\s*(\w+)")
_SHAPE = ("size", "rank")
_OWN = re.compile(r"\.(?:__code__|func)$")
_CACHE = re.compile(
    r"(?i)(?:^|_|\.)(?:past|k?v?_?cache|kv|keys?|values?|memory|memories|history|prefix|context|generated|tokens|ids)(?:$|_|\W)"
)
_JOINS = re.compile(r"\b(?:cat|concat|scaled_dot_product_attention|flex_attention|softmax)\(")
_OF_SETTINGS = frozenset({"state", "module-int"})


def has_own_code(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether CD203 to CD206 report it: CD201 is for all others."""
    return group.guard.kind in _OF_SETTINGS or is_new_function(seen, group) or grows(seen, group)


def is_new_function(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether what varied is a function: from the guard, or (torch 2.8 does not name it) because the frame calls it."""
    if shared_by_decorator(seen, group):
        return False
    if group.guard.kind == "closure" or captures_shape(group):
        return True
    if group.guard.kind != "identity":
        return False
    source = group.guard.source
    if source.endswith(".__code__") or (group.guard.was and _CALLABLE.search(group.guard.was)):
        return True
    name = varied_function(group).rsplit(".", 1)[-1]
    text = seen.evidence.sources.get(group.file, "")
    return group.guard.was is None and name in _called(text)


@lru_cache(maxsize=64)
def _called(text: str) -> frozenset[str]:
    """The names that a file calls, or passes as a mask_mod or score_mod."""
    return frozenset(one for found in _CALLED.findall(text) for one in found if one)


def captures_shape(group: Recompiled) -> bool:
    """Whether a function captures a tensor whose shape varies: torch guards on it as on any input of the graph."""
    return group.guard.kind in _SHAPE and carrier(group.guard.source) is not None


def shared_by_decorator(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether the frame is a decorator's `wrapper`, one code object for all that it wraps, and the guard is on those."""
    name = group.guard.source.split(".", 1)[0]
    carried = group.guard.kind in ("identity", "closure") or captures_shape(group)
    return carried and locations.is_outer_parameter(seen.evidence.sources, group.file, group.compilations[0].line, name)


def varied_function(group: Recompiled) -> str:
    """The name of the function that varied, as the frame calls it."""
    return _OWN.sub("", group.guard.source)


def grows(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether one dimension of a cache grows: two or more recompilations, by the same step, for an argument of attention.

    Layers of several widths, images of several sizes and parameters of several shapes are none of this (CD201); a tensor
    that a function captures is CD204's.
    """
    known = [
        (guard.was, guard.now) for guard in group.guards if guard.kind == "size" and guard.now and guard.now.isdigit()
    ]
    if carrier(group.guard.source) is not None or len(known) < 2 or group.fixed:
        return False
    seen_sizes = [size for size in (known[0][0], *(now for _, now in known)) if size and size.isdigit()]
    steps = {int(large) - int(small) for small, large in pairwise(seen_sizes)}
    if len(steps) != 1 or min(steps) <= 0:
        return False
    if any(was and was.isdigit() and was not in seen_sizes for was, _ in known):
        return False  # another size came in between: batches that vary, not a cache that grows
    return bool(_CACHE.search(group.guard.source)) or _joins(seen, group)


def _joins(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether the function concatenates tensors or computes attention."""
    return bool(_JOINS.search(locations.body(seen.evidence.sources, group.file, group.line)))
