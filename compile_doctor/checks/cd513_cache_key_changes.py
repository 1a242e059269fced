"""CD513: the key of a graph in torch's cache is another one in each process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.starts import Asked, ChangedPart, differences, writers
from compile_doctor.checks.base import Check
from compile_doctor.checks.cold_start_values import lines_of, values
from compile_doctor.model.findings import Finding, Location

_NUMBER = re.compile(r"(?<![\w.])\d[\d.]*(?:e[+-]?\d+)?")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    run = seen.evidence.before
    # Two runs may each have a cache of their own that has the graph: their keys differ all the same.
    changed = [one for one in seen.asked_again if one.changed and (run or one.answer.answer == "miss")]
    for (function, kind), ones in lines_of(seen, changed, _kind):
        first = ones[0]
        place = _operator(seen, first, function) or _constant(seen, first, function) or function
        words, fix = _WORDS.get(kind, _OTHER)
        words = words.format(part=_named(first.changed))
        causes = list(_by_whom(seen, first))
        title = f"the cache's key changes from start to start: {place.function}"
        message = f"The warm start compiled this graph again: {words}"
        if run:
            title = f"the cache's key is another one than in {run}: {_named(first.changed)}"
            what = "the graph itself differs." if kind == "gm" else words.replace(" in each process", "")
            message = " ".join(
                [f"The cache of {run} does not have this graph: {what}", *(f"{one}." for one in causes[:1])]
            )
            fix = _FIX_OF_RUNS
        yield CHECK.finding(
            title,
            message,
            cause=kind,
            fix=fix,
            **values(seen, place, ones),
            evidence=(
                *(line for part in first.changed[:8] for line in _shown(part, bool(run))),
                *causes,
            ),
        )


def _kind(one: Asked) -> str:
    """Which part of the key changed first; the graph comes last, since a setting may have changed it."""
    names = [part.name.partition("[")[0] for part in one.changed]
    if "torch_version" in names:  # then other parts differ because of it
        return "torch_version"
    return next((name for name in names if name != "gm"), "gm")


def _named(parts: tuple[ChangedPart, ...]) -> str:
    names = [part.name for part in parts]
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _constant(seen: AnalysisContext, one: Asked, function: Location) -> Location | None:
    """The line that computes with the number that is another one in each process, if the graph has just one such number."""
    graph = next((part for part in one.changed if part.name == "gm" and part.before and part.now), None)
    traced = one.compilation.traced
    if graph is None or traced is None:
        return None
    new = {literal for _, now in _lines(graph) for literal in _NUMBER.findall(now)}
    old = {literal for before, _ in _lines(graph) for literal in _NUMBER.findall(before)}
    places = {(file, line) for literal, file, line in traced.constants if literal in new - old}
    if len(places) != 1:
        return None
    file, line = places.pop()
    return seen.location(file, line, function.function.rpartition(".")[2])


def _lines(graph: ChangedPart) -> list[tuple[str, str]]:
    """The lines of the graph that differ."""
    if graph.before is None or graph.now is None:
        return []
    pairs = zip(graph.before.value.splitlines(), graph.now.value.splitlines())
    return [(before.strip(), now.strip()) for before, now in pairs if before.strip() != now.strip()]


def _by_whom(seen: AnalysisContext, one: Asked) -> Iterator[str]:
    """Between two runs: the lines and the surroundings that may have changed the key."""
    if not seen.evidence.before:
        return
    for part in one.changed[:8]:
        kind, _, setting = part.name.removesuffix("]").partition("[")
        if setting and kind == "inductor_config":
            yield from islice(writers(seen.evidence, setting), 3)
    yield from islice(differences(seen.evidence), 12)


def _operator(seen: AnalysisContext, one: Asked, function: Location) -> Location | None:
    """Between two runs: the line of the first operator that is another one now, if the graph itself differs."""
    earlier = seen.evidence.earlier
    if not seen.evidence.before or earlier is None or one.compilation.traced is None or not _same_inputs(one):
        return None
    old = next(
        (other.traced for other in earlier.compilations if other.label == one.compilation.label and other.traced), None
    )
    if old is None:
        return None
    for before, now in zip(old.operators, one.compilation.traced.operators):
        if (before.text, before.dtype) != (now.text, now.dtype) and now.line:
            return seen.location(now.file, now.line, function.function.rpartition(".")[2])
    return None


def _same_inputs(one: Asked) -> bool:
    return not any(part.name.startswith("example_inputs") for part in one.changed)


def _shown(part: ChangedPart, apart: bool = False) -> Iterator[str]:
    old_start, new_start = ("earlier run", "later run") if apart else ("cold start", "warm start")
    if part.name == "gm":
        for old, new in _lines(part)[:2]:
            yield f"the graph has  {old}  in the {old_start},  {new}  in the {new_start}"
        return
    if any("\ufffd" in one.value for one in (part.before, part.now) if one):
        yield f"{part.name}: another hash of torch's own files"
        return
    before = part.before.value.strip() if part.before else "not there"
    now = part.now.value.strip() if part.now else "not there"
    if before == now or _ADDRESS.sub("", before) == _ADDRESS.sub("", now):
        yield f"{part.name} has another hash, and looks the same: {now[:80]}"
        return
    yield f"{part.name}: {before} in the {old_start}, {now} in the {new_start}"


_WORDS = {
    "gm": (
        "the graph itself differs. It contains a value that is another one in each process.",
        "Look in this function, and in what it reads, for a number or a text that changes from run to run (a time, a random number, a "
        "process id, the order of a set), and pass it as a tensor argument, or make it constant.",
    ),
    "example_inputs": (
        "its inputs differ in size, stride, dtype or device ({part}).",
        "Pass inputs of the same form in each process during warm-up; torch.compile(…, dynamic=True) has one graph for all sizes.",
    ),
    "inductor_config": (
        "a setting of Inductor has another value in each process ({part}).",
        "Set it to a constant: look for torch._inductor.config, torch.compile(options=…) and TORCHINDUCTOR_* variables that depend on a "
        "path, a time or the machine.",
    ),
    "fx_kwargs": (
        "an option of this compilation differs ({part}).",
        "Look for options of torch.compile that are made anew in each process, such as a function or an object without a stable name.",
    ),
    "torch_version": ("torch itself differs.", "Use one version of torch, and do not change its files."),
    "system_info": (
        "the machine or its driver differs ({part}).",
        "Warm the cache on the kind of machine that uses it.",
    ),
    "cpp_runtime_thread_count": (
        "the number of threads differs ({part}).",
        "Set the same number of threads in each process: OMP_NUM_THREADS or torch.set_num_threads.",
    ),
}
"""By the part of the key: what is said, and the fix."""
_FIX_OF_RUNS = "If that was changed on purpose, fill the cache anew with one run of this kind. Else make what is named here the same in both runs."
_OTHER = (
    "a part of its key differs ({part}).",
    "Make what the part names the same in each process.",
)


CHECK = Check(
    code="CD513",
    name="cache-key-changes",
    severity="warning",
    category="cold-start",
    compares_starts=True,
    summary="`coldstart`: a graph has another key in each process, so that the cache never has it; names the part that changes.",
    explanation="""\
torch looks a compiled graph up by a key: a hash of the graph, of its inputs, of all settings of Inductor, of torch and of the machine.
`coldstart` runs the target in two new processes and compares the parts of the two keys. A value that is another one in each process, such
as a time, a random number or a path in a setting, makes the cache useless: it is never hit, and grows with each start.
""",
    detect=detect,
)
