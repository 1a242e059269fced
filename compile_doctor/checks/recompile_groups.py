"""What kind of recompilation it is, and the sentences about it that are no advice."""

from __future__ import annotations

import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.model.stacks import RESUMED, function_name
from compile_doctor.source import locations

_PACKAGE_GLOBAL = re.compile(r"^([A-Za-z_]\w*(?:\.\w+)+)$")


def explained(seen: AnalysisContext, group: Recompiled) -> str:
    """Sentences that belong behind what varied: where it is written, where a size is fixed, how many keys there are."""
    if group.written and not is_mode(group):
        at = group.written
        what = f"`{at.function}` writes `{at.name}` at {place_of(group, at.file, at.line)}, while the model runs."
        return f" {what}"
    own = group.fixed and (locations.innermost_mine(group.fixed.stack, seen.torch_root) or group.fixed.stack[0])
    if not own:
        return ""
    what, tried = ("size", "; mark_dynamic does not change that") if group.guard.kind == "size" else ("number", "")
    code = f" (`{own.code}`)" if own.code else ""
    return f" torch makes such a {what} dynamic, but line {own.line}{code} needs one fixed {what}: each {what} compiles again{tried}."


def consequence(seen: AnalysisContext, group: Recompiled) -> str:
    """The sentence for a frame that is compiled by itself only because of a graph break; empty if it is not one.

    Without the break it would be part of its caller's graph, once for each layer, with its attributes as constants.
    """
    guard = group.guard
    varies_by_instance = (
        guard.kind == "type"
        or (guard.kind in ("module-int", "value") and not group.written)
        or (guard.kind == "size" and group.fixed is not None and is_method(seen, group))
    )
    if not varies_by_instance:
        return ""
    first = group.compilations[0]
    resumed = RESUMED.match(first.function)
    if resumed:
        return (
            f" The frame begins after the graph break at line {first.line}; without the break it is part of its caller's "
            "graph, and this recompilation disappears."
        )
    sources = seen.evidence.sources
    around = {
        (frame.file, locations.qualified(sources, frame.file, frame.line, function_name(frame.function)))
        for frame in first.stack[:-1]
    }
    for skipped in seen.skipped:
        frame = skipped.first
        name = locations.qualified(sources, frame.file, frame.line, function_name(frame.function))
        if (frame.file, name) in around:
            return (
                f" {name} runs in plain Python because of line {skipped.at}, so what it calls is compiled by itself: fix "
                "that break first."
            )
    return ""


def is_method(seen: AnalysisContext, group: Recompiled) -> bool:
    return locations.takes(seen.evidence.sources, group.file, group.compilations[0].line, "self")


def is_mode(group: Recompiled) -> bool:
    """Whether train and eval mode are what varies."""
    return group.guard.kind == "value" and group.guard.source.endswith(".training")


def expected(group: Recompiled) -> bool:
    """Whether there is one graph for each of two modes, and no more: then nothing is wrong."""
    modes = group.guard.kind == "state" and group.guard.source in ("grad_mode", "inference_mode")
    return (is_mode(group) or modes) and len(group.compilations) == 1


def package_of(seen: AnalysisContext, group: Recompiled) -> str:
    """The package whose module-level state varies (`einops` of `einops._backends._table`); empty if it is the user's."""
    source = group.guard.source
    if group.guard.kind not in ("length", "keys", "value", "empty", "attribute") or not _PACKAGE_GLOBAL.match(source):
        return ""
    first, *rest = source.split(".")
    if not group.guard.of_module or first == "torch":
        return ""
    own = "/".join([first, *rest[:-1]])
    mine = (file for file in seen.evidence.sources if seen.owner(file) == "mine")
    return "" if any(f"/{own}" in file or file.endswith(f"/{first}.py") for file in mine) else first


def place_of(group: Recompiled, file: str, line: int) -> str:
    return f"line {line}" if file == group.file else f"{locations.short(file)}:{line}"
