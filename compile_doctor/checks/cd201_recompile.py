"""CD201: a frame was compiled again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.kinds import has_own_code, shared_by_decorator
from compile_doctor.analysis.recompiles.of_breaks import break_of
from compile_doctor.checks.base import Check, recompile_values
from compile_doctor.checks.recompile_advice import advice
from compile_doctor.checks.recompile_groups import consequence, expected, explained
from compile_doctor.model.findings import Cost, Finding

MOST = 3
"""Recompilations with a finding of their own that follow from one break; if there are more, they share one."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    following: dict[str, list[Recompiled]] = defaultdict(list)
    for group in seen.recompiled:
        if has_own_code(seen, group) or break_of(
            seen, group
        ):  # CD203 to CD206; or it is in the finding about the break
            continue
        if shared_by_decorator(seen, group):
            words = f"`{group.function}` is one code object for every function that its decorator wraps, and each has its own cache entry"
            fix = "If the functions are few, change nothing. All of them count towards one recompile_limit: else remove the decorator."
            yield CHECK.finding(f"Recompiled: {group.function}", words + ".", fix=fix, **recompile_values(seen, group))
            continue
        why = consequence(seen, group)
        following[why].append(group)
        if not why or len(following[why]) <= MOST:
            yield _finding(seen, group, why)
    for why, groups in following.items():
        if why and len(groups) > MOST:
            yield _rest(seen, groups[MOST:], why)


def _finding(seen: AnalysisContext, group: Recompiled, why: str) -> Finding:
    follows = " The value comes from a graph break: fix the break, and this recompilation disappears."
    return CHECK.finding(
        f"Recompiled: {group.function}",
        f"{_sentence(group)}.{explained(seen, group)}{follows if group.follows_break else why}",
        fix=advice(seen, group),
        severity="info" if expected(group) else "warning",
        **recompile_values(seen, group),
    )


def _rest(seen: AnalysisContext, groups: list[Recompiled], why: str) -> Finding:
    """One finding for the rest of those that the same break causes."""
    values = recompile_values(seen, groups[0])
    functions = ", ".join(dict.fromkeys(group.function for group in groups))
    costs = [recompile_values(seen, group)["cost"] for group in groups]
    values |= {
        "count": sum(len(group.compilations) for group in groups),
        "cause": "follows-break",
        "cost": Cost(sum(cost.graphs for cost in costs), sum(cost.seconds for cost in costs)),
    }
    return CHECK.finding(
        f"Recompiled: {functions}",
        f"{len(groups)} more recompilations have the same cause: {functions}.{why}",
        fix="Fix the graph break that is named here, then look at what is left.",
        **values,
    )


def _sentence(group: Recompiled) -> str:
    words = group.guard.words
    return words if words.startswith("`") else words[:1].upper() + words[1:]


CHECK = Check(
    code="CD201",
    name="recompile",
    severity="warning",
    category="recompiles",
    summary="A frame was compiled again; names the failed guard, its cause and the source line.",
    explanation="""\
A compiled frame is valid while its guards hold: shapes, dtypes, the Python values that it read. When one fails, the
frame is compiled again, which takes as long as the first time. After `recompile_limit` (8) entries it runs in plain
Python (CD202). The finding states the guard in words and the line that reads the value that varies.

Guards on ints of modules, on functions, on growing shapes and on global state have their own codes: CD203 to CD206.
""",
    detect=detect,
    fires="""\
import torch


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x, reduction):
        y = self.proj(x)
        return y.mean() if reduction == "mean" else y.sum()


def build_model():
    return Head()


def example_input_sets():
    x = torch.randn(4, 8)
    return [(x, "mean"), (x, "sum")]
""",
    silent="""\
import torch


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.proj(x)


def build_model():
    return Head()


def example_input_sets():
    return [(torch.randn(4, 8),), (torch.randn(4, 8),)]
""",
)
