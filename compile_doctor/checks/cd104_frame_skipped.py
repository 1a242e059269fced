"""CD104: code that ran in plain Python because Dynamo gave up on it: a frame, the rest of one, a checkpointed block."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import by_design, is_deliberate
from compile_doctor.analysis.graph_breaks.skipped import Skipped
from compile_doctor.checks.base import Check, headline
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for skipped in seen.skipped:
        file, line = skipped.frame.file, skipped.frame.line
        qualified = locations.qualified(seen.evidence.sources, file, line, skipped.frame.function)
        name, why = _why(seen, skipped, _label(skipped, qualified))
        yield CHECK.finding(
            f"Not compiled: {name}",
            why,
            severity="info" if _is_meant(seen, skipped) else CHECK.severity,
            location=Location(file, line, qualified, seen.snippet(file, line)),
            owner=seen.owner(file),
            count=len(skipped.compilations),
            upstream=skipped.site.upstream if skipped.site else None,
            cause=f"{_kind(skipped)}:{skipped.site.cause.key if skipped.site else skipped.first.fail_type or 'unknown'}",
            baseline_cause="skipped",  # one finding, whichever of its breaks Dynamo met first; that break has its own
            breaks_at=skipped.at or None,
            fix=_fix(seen, skipped),
            evidence=(_evidence(skipped), *_torch_reason(skipped)),
        )


def _label(skipped: Skipped, qualified: str) -> str:
    """A wrapper with what it wraps: `wrapper` alone is the same for all functions under the decorator."""
    return f"{qualified} of {' and '.join(skipped.wraps)}" if 0 < len(skipped.wraps) <= 2 else qualified


def _kind(skipped: Skipped) -> str:
    if skipped.checkpoint:
        return "checkpointed"
    return "rest-skipped" if skipped.rest and skipped.first.guarded else "skipped"


def _is_meant(seen: AnalysisContext, skipped: Skipped) -> bool:
    """torch's own hooks leave the code around them to plain Python; so does a checkpoint of what the user disabled."""
    site = skipped.site
    return site is not None and (
        by_design(seen, site) is not None or (skipped.checkpoint is not None and is_deliberate(seen, site))
    )


def _why(seen: AnalysisContext, skipped: Skipped, qualified: str) -> tuple[str, str]:
    """What ran in plain Python, for the headline; and why, in sentences."""
    site, rest = skipped.site, skipped.rest
    if site is None:
        reason = headline(skipped.first.fail_reason or "torch gives no reason")
        return qualified, f"Dynamo gave up on {qualified}: {reason}"
    where = _line(site.frame, skipped)
    place = f"{where}, in a loop" if skipped.loop else where
    if skipped.checkpoint:
        call = skipped.checkpoint
        return qualified, (
            f"It breaks at {where} ({site.cause.title}), inside of checkpoint ({_line(call, skipped)}). A graph break "
            f"cannot be inside of a checkpoint, so torch runs the checkpoint without compiling anything: {qualified} and "
            f"all that it calls run in plain Python. {_LATER}"
        )
    if rest is None:
        lines, name = "the whole function runs", qualified
    elif rest == (0, 0):
        name = f"the rest of {qualified}"
        if skipped.first.guarded and not site.told:
            return name, (
                f"Dynamo compiled the beginning of {qualified}, met a break from which it cannot resume, and left the "
                f"rest of the function to plain Python. This torch does not record the line. {_LATER}"
            )
        lines = "the rest of the function runs"
    elif rest[0] == rest[1]:
        lines, name = f"line {rest[0]} runs", f"line {rest[0]} of {qualified}"
    else:
        lines = f"the rest of the function, lines {rest[0]} to {rest[1]}, runs"
        name = f"{qualified} from line {rest[0]} on"
    before = "compiled what comes before, and " if rest and skipped.first.guarded else ""
    return name, (
        f"It breaks at {place} ({site.cause.title}). Dynamo cannot resume there, so "
        f"{f'it {before}' if before else ''}{lines} in plain Python. {_LATER}"
    )


def _line(frame: Frame, skipped: Skipped) -> str:
    """Where a frame is, seen from the function that was skipped: other classes of the file may have a `forward` too."""
    name = f" in {frame.function}" if frame.function != skipped.frame.function else ""
    return (
        f"line {frame.line}{name}"
        if frame.file == skipped.frame.file
        else f"{locations.short(frame.file)}:{frame.line}"
    )


_LATER = "Dynamo has not looked at what comes after the break: fixing it may show others."


def _fix(seen: AnalysisContext, skipped: Skipped) -> str:
    site = skipped.site
    if site is None and skipped.first.fail_type not in (None, "Unsupported"):
        return "Set torch._dynamo.config.suppress_errors = False: torch then raises the error, with its line. Fix that line."
    if site is None:
        return "Fix the cause that torch names."
    own = by_design(seen, site)
    if own:
        return own.fix
    if skipped.checkpoint:
        return "Fix the break that causes it; or move its line out of the function that is checkpointed."
    if skipped.rest and skipped.first.guarded:
        return "Fix the break that causes it; or move its statement into a separate function: then only that function breaks."
    return "Fix the break that causes it; or move the body of the loop, or the `try`/`with` block, into a separate function."


def _evidence(skipped: Skipped) -> str:
    first = skipped.first
    if skipped.checkpoint or first.guarded:
        return f"frame {first.label} ({first.function}) was compiled up to the break only"
    return f"frame {first.label} was not compiled to code with guards"


def _torch_reason(skipped: Skipped) -> tuple[str, ...]:
    reason = skipped.site.reason if skipped.site else skipped.first.fail_reason
    return (f"torch: {headline(reason)}",) if reason else ()


CHECK = Check(
    code="CD104",
    name="frame-skipped",
    severity="error",
    category="frames",
    consequence=True,
    effect=("runs in plain Python", "run in plain Python"),
    summary="A frame, or the rest of one, ran eagerly because Dynamo gave up on it.",
    explanation="""\
Dynamo cannot resume after a break in a loop, in a `try` or in some `with` blocks. It then compiles nothing of the
function and runs it in plain Python. The functions that it calls are compiled separately. The finding is at the
function that was skipped; the break that caused it has a separate finding.

In some places, such as an assignment to a subscript, Dynamo compiles what comes before the break and runs the rest of
the function in plain Python: the finding has the lines. A break inside of `torch.utils.checkpoint.checkpoint` leaves
the checkpointed function to plain Python, with everything that it calls.
""",
    detect=detect,
    fires="""\
import torch


class Retry(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        try:
            y = self.proj(x)
            print("projected", y.shape)
        except ValueError:
            y = x
        return y.relu()


def build_model():
    return Retry()


def example_inputs():
    return (torch.randn(4, 8),)
""",
    silent="""\
import torch


class Retry(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(8, 8)

    def forward(self, x):
        try:
            y = self.proj(x)
        except ValueError:
            y = x
        return y.relu()


def build_model():
    return Retry()


def example_inputs():
    return (torch.randn(4, 8),)
""",
)
