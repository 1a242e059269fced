"""CD202: a frame hit the recompile limit and runs eagerly from then on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from compile_doctor.analysis.compile_errors import is_limit
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.checks import needs
from compile_doctor.checks.base import Check
from compile_doctor.checks.recompile_advice import advice
from compile_doctor.model.compilations import LogRecord
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

_HIT = re.compile(r"hit config\.(\w+) \((\d+)\)\s+function: '([^'\n]+)' \(([^\n]+?):(\d+)\)(?:\s+last reason: (.*))?")

_SELF = re.compile(r"check_type_id\((?:L\['self'\]|self),")
"""`self` is of another class."""

MOST = 4
"""The number of causes that are named; each cause has its own finding."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    reported = set()
    groups: dict[tuple[str, str], list[Recompiled]] = defaultdict(list)
    for group in seen.recompiled:
        groups[_compiled(seen, group)].append(group)
    stacks = {compilation.file: compilation.stack for compilation in seen.evidence.compilations}
    hits = [(record, match) for record in seen.evidence.logs if record.kind == "limit" if (match := _match(record))]
    raised = hits[-1][0] if hits and is_limit(seen.failure) else None
    for record, match in hits:
        if (match[4], match[5]) not in reported:
            reported.add((match[4], match[5]))
            yield _finding(seen, record, match, groups, stacks, record is raised)


def _match(record: LogRecord) -> re.Match[str] | None:
    return _HIT.search(record.message)


def _finding(
    seen: AnalysisContext,
    record: LogRecord,
    match: re.Match[str],
    groups: Mapping[tuple[str, str], list[Recompiled]],
    stacks: Mapping[str, tuple[Frame, ...]],
    raised: bool,
) -> Finding:
    setting, limit, file = match[1], match[2], match[4]
    function = function_name(match[3])
    sources = seen.evidence.sources
    line = locations.definition_line(sources, file, int(match[5]), function)
    qualified = locations.qualified(sources, file, line, function)
    causes = sorted(groups.get((file, qualified), ()), key=lambda group: -len(group.compilations))
    place, who = Location(file, line, qualified, seen.snippet(file, line)), "It"
    if locations.is_plumbing(file) and causes:
        # The user compiled a function of torch's own: the line that they can change is the one that calls it.
        at = causes[0]
        place, who = Location(at.file, at.line, at.function, seen.snippet(at.file, at.line)), f"`{qualified}`"
    return CHECK.finding(
        f"Recompile limit hit: {qualified}",
        f"{who} was compiled {limit} times. {_then(seen, raised)}{_varied(causes)}",
        location=place,
        owner=seen.owner(place.file),
        cause=f"limit:{setting}",
        fix=_classes(seen, causes, setting, file, qualified)
        or f"{_advice(seen, causes)} Raising torch._dynamo.config.{setting} helps only if the number of variants is known and small.",
        evidence=(f"torch: {record.message.splitlines()[0].strip()}",),
        via=seen.via(stacks.get(file, ()), Frame(place.file, place.line, place.function)),
    )


def _compiled(seen: AnalysisContext, group: Recompiled) -> tuple[str, str]:
    """(file, qualified name) of the function that was compiled again, whatever location its finding has."""
    first = group.compilations[0]
    name = function_name(first.function)
    return first.file, locations.qualified(seen.evidence.sources, first.file, first.line, name)


def _then(seen: AnalysisContext, raised: bool) -> str:
    """What torch did at the next one: it raises if it may not run the function in plain Python."""
    if not raised:
        return "Then torch gave it up, and it runs in plain Python from then on."
    types = " ".join(f"{link.type} {link.message}" for link in (seen.failure.chain if seen.failure else ()))
    why = (
        "fail_on_recompile_limit_hit is set"
        if "fail_on_recompile_limit_hit" in types
        else "fullgraph=True forbids plain Python"
    )
    return f"The next compilation raised an error and ended the run, because {why}."


def _classes(seen: AnalysisContext, causes: list[Recompiled], setting: str, file: str, qualified: str) -> str:
    """The fix if only the class of `self` varied: the classes that one function makes share its code, and so the limit."""
    maker = qualified.rpartition(".")[0].rpartition(".")[0]
    made = bool(maker) and locations.defines(seen.evidence.sources, file, maker)
    if not made or not causes or not all(_SELF.search(group.reason) for group in causes):
        return ""
    return (
        f"Each call of {maker.rpartition('.')[2]}() makes another class, and all of them share this code and its limit. Make the class "
        "once, and pass what varies to __init__. If only one model is in use at a time: call torch._dynamo.reset() before the "
        f"next one. If all stay in use: set torch._dynamo.config.{setting} to their number."
    )


def _advice(seen: AnalysisContext, causes: list[Recompiled]) -> str:
    """What to do about the one thing that varied; if there are several, or none is known, the findings have it."""
    plain = len(causes) == 1 and causes[0].guard.kind not in ("closure", "identity", "state", "module-int")
    return advice(seen, causes[0]) if plain else "Fix the recompilations of this function (CD201 to CD206)."


def _varied(causes: list[Recompiled]) -> str:
    """Everything that varied: to fix only the most frequent cause may leave enough recompilations to hit the limit."""
    parts = [f"{group.guard.words} ({len(group.compilations)}×)" for group in causes[:MOST]]
    parts += [f"{len(causes) - MOST} more"] * (len(causes) > MOST)
    return f" What varied: {'; '.join(parts)}." if parts else ""


CHECK = Check(
    code="CD202",
    name="recompile-limit",
    severity="error",
    category="recompiles",
    effect=("hit the recompile limit", "hit the recompile limit"),
    needs=(needs.limit_log,),
    summary="A frame reached recompile_limit and runs eagerly from then on.",
    explanation="""\
torch keeps at most `torch._dynamo.config.recompile_limit` (8) compiled versions of a frame. At the next one it stops
compiling that frame permanently and runs it in plain Python. The program continues, slower; if the frame calls
flex_attention, it also computes the dense math. torch reports this in one warning.
""",
    detect=detect,
    fires="""\
import torch


class Scheduler(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x, stage):
        return self.proj(x) * len(stage)


def build_model():
    return Scheduler()


def example_input_sets():
    x = torch.randn(4, 8)
    return [(x, "s" * count) for count in range(1, 12)]
""",
    silent="""\
import torch


class Scheduler(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x, stage):
        return self.proj(x) * stage


def build_model():
    return Scheduler()


def example_input_sets():
    x = torch.randn(4, 8)
    return [(x, torch.tensor(float(count))) for count in range(1, 12)]
""",
)
